// The keys that sign registry tokens: the newest signs, the newest two are accepted, so that a rotation breaks no running push.

import { randomUUID } from 'node:crypto'
import { chmod, mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { exportJWK, generateKeyPair, importJWK, type JWK } from 'jose'

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
    const stored = await readKeys(path)
    if (!stored) await writeKeys(path, { keys: [await makeKey()] })
    const keys = await importKeys((stored ?? (await readKeys(path)))!)
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
    await writeKeys(this.#path, { keys: [await makeKey(), ...stored.keys].slice(0, liveKeys) })
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

async function writeKeys(path: string, file: KeyFile): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await chmod(dirname(path), 0o700)
  const temporary = `${path}.${randomUUID()}.tmp`
  const handle = await open(temporary, 'wx', 0o600)
  try {
    await handle.writeFile(JSON.stringify(file))
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, path)
}
