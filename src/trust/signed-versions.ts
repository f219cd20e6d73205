// What was signed before, so that nothing older is signed again:
//
//   <folder>/<key>/<role>-<scope>/<version>           empty; the highest name counts. <key>: first 16 digits of the key's id
//   <folder>/<key>/targets-<scope>-generation/<n>     likewise
//
// A version is recorded before its signature exists, by creating a name: no lock, and two processes that sign at once cannot both
// believe themselves to be first. What a key may sign depends on that key alone; versions count on over a change of keys, because
// readers that keep one of two documents compare it with the other.

import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createFileAtomically, makeFolder } from '#kit/atomic-file.ts'
import { type DocumentFacts, type TrustRole, trustRoles } from './signed-document.ts'
import { SignerRefused } from './signer-refused.ts'

const privateFileMode = 0o600
const privateFolderMode = 0o700
const keyDigits = 16
const counterPattern = new RegExp(`^(${trustRoles.join('|')})-(.+?)(-generation)?$`)

/** The highest that any key here signed. `generation`: of targets. */
export type SignedHighest = {
  readonly role: TrustRole
  readonly scope: string
  readonly version: number
  readonly generation: number | undefined
}

export class SignedVersions {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Over all keys. 0: none. */
  async highest(role: TrustRole, scope: string): Promise<number> {
    const found = (await this.list()).find((one) => one.role === role && one.scope === scope)
    return found?.version ?? 0
  }

  async list(): Promise<SignedHighest[]> {
    const found = new Map<string, SignedHighest>()
    for (const key of await namesIn(this.#folder)) {
      for (const counter of await namesIn(join(this.#folder, key))) {
        const [, role, scope, isGeneration] = counterPattern.exec(counter) ?? []
        if (role === undefined || scope === undefined) continue
        const value = Math.max(0, ...(await recorded(join(this.#folder, key, counter))))
        const name = `${role}-${scope}`
        const before = found.get(name) ?? { role: role as TrustRole, scope, version: 0, generation: undefined }
        const after = isGeneration
          ? { ...before, generation: Math.max(before.generation ?? 0, value) }
          : { ...before, version: Math.max(before.version, value) }
        found.set(name, after)
      }
    }
    return [...found.values()]
  }

  /** Throws SignerRefused when this key signed something higher. */
  async record(keyId: string, { role, scope, version, generation }: DocumentFacts): Promise<void> {
    const counter = `${role}-${scope}`
    if (generation !== undefined) {
      await raise(this.#counter(keyId, `${counter}-generation`), generation, `generation ${generation} of ${scope}`)
    }
    await raise(this.#counter(keyId, counter), version, `${role} ${version} of ${scope}`)
  }

  /** Forgets all other keys, so that versions begin anew: a new epoch, whose readers begin anew as well. */
  async keepOnly(keyIds: readonly string[]): Promise<void> {
    const kept = new Set(keyIds.map((id) => id.slice(0, keyDigits)))
    for (const key of await namesIn(this.#folder)) {
      if (/^[0-9a-f]+$/.test(key) && !kept.has(key)) await rm(join(this.#folder, key), { recursive: true, force: true })
    }
  }

  #counter(keyId: string, name: string): string {
    return join(this.#folder, keyId.slice(0, keyDigits), name)
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
  return (await namesIn(counter)).filter((name) => /^[0-9]{1,16}$/.test(name)).map(Number)
}

async function namesIn(folder: string): Promise<string[]> {
  return await readdir(folder).catch((error) => {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return []
    throw error
  })
}
