// Who signs, as the option `signer` says.

import type { Config } from '#config/config.ts'
import { commandSigner } from '#trust/command-signer.ts'
import { signedFolder } from '#trust/file-signer.ts'
import type { Signer } from '#trust/signer.ts'
import { socketSigner } from '#trust/socket-signer.ts'

/** Undefined: the keys are files of the data folder. */
export function openSigner({ keys, settings }: Config): Signer | undefined {
  const { signer, signerTimeout: timeoutMs } = settings
  const parts = { signedFolder: signedFolder(keys), timeoutMs }
  if (signer.startsWith('command:'))
    return commandSigner({ ...parts, command: wordsOf(signer.slice('command:'.length)) })
  if (signer.startsWith('unix:')) return socketSigner({ ...parts, socket: signer.slice('unix:'.length) })
  return undefined
}

/** Parted by spaces, or where those do not do, a JSON list of texts. */
function wordsOf(text: string): string[] {
  try {
    const words: unknown = JSON.parse(text)
    if (Array.isArray(words) && words.every((word) => typeof word === 'string')) return words
  } catch {}
  return text.trim().split(/\s+/)
}
