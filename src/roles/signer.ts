// `flotilla signer`: the keys and their memory in a process of their own, under a user of its own.

import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from '#config/config.ts'
import { publicFileMode, writeFileAtomically } from '#kit/atomic-file.ts'
import { ensureKey, FileSigner } from '#trust/file-signer.ts'
import { encodePublicKey } from '#trust/public-key.ts'
import { onlineRoles } from '#trust/signed-document.ts'
import { type SignerServer, serveSigner } from '#trust/signer-server.ts'

export type RunningSigner = SignerServer & { readonly keys: string }

/** Makes the keys of the online roles that are missing, each with its public part beside it. */
export async function runSigner(config: Config, socket: string, log: Logger): Promise<RunningSigner> {
  const { keys } = config
  for (const role of onlineRoles) {
    const key = await ensureKey(keys, role)
    await writeFileAtomically(join(keys, `${role}.pub.json`), encodePublicKey(key), publicFileMode)
  }
  const server = await serveSigner(new FileSigner(keys), {
    socket,
    log: (error) => log.error({ err: error }, 'a question could not be answered'),
  })
  return { keys, stop: () => server.stop() }
}
