// What was signed before, so that nothing older is signed again:
//
//   <folder>/<key>/<role>-<scope>/<version>           empty; the highest name counts. <key>: first 16 digits of the key's id
//   <folder>/<key>/targets-<scope>-generation/<n>     likewise
//
// A version is recorded before its signature exists, by creating a name: no lock, and two processes that sign at once cannot both
// believe themselves to be first. A new key begins anew: only a new root brings one.

import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createFileAtomically, makeFolder } from '#kit/atomic-file.ts'
import type { DocumentFacts, TrustRole } from './signed-document.ts'
import { SignerRefused } from './signer.ts'

const privateFileMode = 0o600
const privateFolderMode = 0o700

export class SignedVersions {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  async highest(keyId: string, role: TrustRole, scope: string): Promise<number> {
    return Math.max(0, ...(await recorded(this.#counter(keyId, `${role}-${scope}`))))
  }

  /** Throws SignerRefused when something higher is recorded. */
  async record(keyId: string, { role, scope, version, generation }: DocumentFacts): Promise<void> {
    const counter = `${role}-${scope}`
    if (generation !== undefined) {
      await raise(this.#counter(keyId, `${counter}-generation`), generation, `generation ${generation} of ${scope}`)
    }
    await raise(this.#counter(keyId, counter), version, `${role} ${version} of ${scope}`)
  }

  #counter(keyId: string, name: string): string {
    return join(this.#folder, keyId.slice(0, 16), name)
  }
}

async function raise(counter: string, value: number, what: string): Promise<void> {
  await makeFolder(counter, privateFolderMode)
  await refuseLower(counter, value, what)
  await createFileAtomically(join(counter, String(value)), '', privateFileMode)
  // Again, now that our own name is visible: of two at once, the one with the lower value sees the other here.
  for (const lower of await refuseLower(counter, value, what)) await rm(join(counter, String(lower)), { force: true })
}

/** Throws if a higher value is recorded; resolves to the lower ones. */
async function refuseLower(counter: string, value: number, what: string): Promise<number[]> {
  const values = await recorded(counter)
  const highest = Math.max(0, ...values)
  if (highest > value) {
    const advice = 'if an old backup was restored, see "Restoring a backup" in docs/operate.md'
    throw new SignerRefused(`${what} is older than ${highest}, which was signed before; ${advice}`)
  }
  return values.filter((one) => one < value)
}

async function recorded(counter: string): Promise<number[]> {
  const names = await readdir(counter).catch((error) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  })
  return names.filter((name) => /^[0-9]{1,16}$/.test(name)).map(Number)
}
