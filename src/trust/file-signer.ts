// A Signer whose keys and memory are files:
//
//   <folder>/<role>.key    PKCS#8 PEM, 0600; root's may be absent
//   <folder>/signed/       what was signed (signed-versions.ts)
//
// Keys are read at each signature: a rotation takes effect without a restart.

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createFileAtomically, makeFolder } from '#kit/atomic-file.ts'
import { keyIdOf, type PublicKey, publicKeyOf } from './public-key.ts'
import { readDocument, type TrustRole } from './signed-document.ts'
import { SignedVersions } from './signed-versions.ts'
import { type Signature, type Signer, SignerRefused } from './signer.ts'

const privateFileMode = 0o600
const privateFolderMode = 0o700

export class FileSigner implements Signer {
  readonly #folder: string
  readonly #signed: SignedVersions

  constructor(folder: string) {
    this.#folder = folder
    this.#signed = new SignedVersions(join(folder, 'signed'))
  }

  async findKey(role: TrustRole): Promise<PublicKey | undefined> {
    const key = await readKey(keyPath(this.#folder, role))
    return key && publicOf(key)
  }

  async highestVersion(role: TrustRole, scope: string): Promise<number> {
    const key = await this.findKey(role)
    return key ? this.#signed.highest(keyIdOf(key), role, scope) : 0
  }

  async sign(bytes: Uint8Array): Promise<Signature> {
    const facts = readDocument(bytes)
    const key = await readKey(keyPath(this.#folder, facts.role))
    if (!key) throw new SignerRefused(`no key for ${facts.role} here: ${keyPath(this.#folder, facts.role)} is missing`)
    const keyId = keyIdOf(publicOf(key))
    await this.#signed.record(keyId, facts)
    return { keyid: keyId, sig: sign(null, bytes, key).toString('hex') }
  }
}

export function keyPath(folder: string, role: TrustRole): string {
  return join(folder, `${role}.key`)
}

/** Makes the key of a role if there is none: of several at once, all get the same. */
export async function ensureKey(folder: string, role: TrustRole): Promise<PublicKey> {
  await makeFolder(folder, privateFolderMode)
  const path = keyPath(folder, role)
  if (!(await readKey(path))) await createFileAtomically(path, newPrivateKeyPem(), privateFileMode)
  return publicOf((await readKey(path))!)
}

export function newPrivateKeyPem(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
}

/** Throws unless the PEM holds an Ed25519 private key. `from`: where it came from, for the message. */
export function parsePrivateKey(pem: string, from: string): KeyObject {
  const key = createPrivateKey(pem)
  if (key.asymmetricKeyType !== 'ed25519') throw new Error(`${from} holds no Ed25519 key`)
  return key
}

export function publicOf(key: KeyObject): PublicKey {
  return publicKeyOf(createPublicKey(key))
}

async function readKey(path: string): Promise<KeyObject | undefined> {
  try {
    return parsePrivateKey(await readFile(path, 'utf8'), path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
