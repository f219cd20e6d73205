// The keys that sign registry tokens: the newest signs, the newest two are accepted, so that a rotation breaks no running push.

import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { exportJWK, generateKeyPair, importJWK, type JWK } from 'jose'
import { createFileAtomically, makeFolder, writeFileAtomically } from '#kit/atomic-file.ts'

export const tokenAlgorithm = 'EdDSA'
const liveKeys = 2

type KeyFile = { readonly keys: readonly (JWK & { kid: string })[] }
type TokenKey = Awaited<ReturnType<typeof importJWK>>

export class TokenKeys {
  readonly #path: string
  #signing: { readonly kid: string; readonly key: TokenKey }
  #accepted: ReadonlyMap<string, TokenKey>

  private constructor(path: string, signing: { kid: string; key: TokenKey }, accepted: ReadonlyMap<string, TokenKey>) {
    this.#path = path
    this.#signing = signing
    this.#accepted = accepted
  }

  /** Opens the key file (0600 in a folder of 0700) and makes it with one key when it is missing. */
  static async open(path: string): Promise<TokenKeys> {
    if (!(await readKeys(path))) {
      await makeFolder(dirname(path), 0o700)
      // Of several processes at once one makes the file; all go on with what it holds.
      await createFileAtomically(path, JSON.stringify({ keys: [await makeKey()] }), 0o600)
    }
    const keys = await importKeys((await readKeys(path))!)
    return new TokenKeys(path, keys.signing, keys.accepted)
  }

  get signing(): { readonly kid: string; readonly key: TokenKey } {
    return this.#signing
  }

  /** Own key ids only: a token that names any other is refused without a look at it. */
  find(kid: string | undefined): TokenKey | undefined {
    return kid === undefined ? undefined : this.#accepted.get(kid)
  }

  /** A new key signs from now on; the one before it is accepted still, older ones are gone. */
  async rotate(): Promise<string> {
    const stored = (await readKeys(this.#path)) ?? { keys: [] }
    const keys = [await makeKey(), ...stored.keys].slice(0, liveKeys)
    await writeFileAtomically(this.#path, JSON.stringify({ keys }), 0o600)
    await this.reload()
    return this.#signing.kid
  }

  async reload(): Promise<void> {
    const keys = await importKeys((await readKeys(this.#path))!)
    this.#signing = keys.signing
    this.#accepted = keys.accepted
  }
}

async function makeKey(): Promise<JWK & { kid: string }> {
  const { privateKey } = await generateKeyPair(tokenAlgorithm, { extractable: true })
  return { ...(await exportJWK(privateKey)), kid: randomUUID(), alg: tokenAlgorithm }
}

async function importKeys(file: KeyFile) {
  const accepted = new Map<string, TokenKey>()
  for (const { d: _secret, ...open } of file.keys) accepted.set(open.kid, await importJWK(open, tokenAlgorithm))
  const newest = file.keys[0]
  if (!newest) throw new Error('the file of token keys holds no key')
  return { signing: { kid: newest.kid, key: await importJWK(newest, tokenAlgorithm) }, accepted }
}

async function readKeys(path: string): Promise<KeyFile | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as KeyFile
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Error(`the token keys in ${path} cannot be read`, { cause: error })
  }
}
