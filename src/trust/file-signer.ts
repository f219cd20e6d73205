// A Signer whose keys and memory are files:
//
//   <folder>/<role>.key        PKCS#8 PEM, 0600; root's may be absent
//   <folder>/<role>.key.next   its successor, until the root that names it is installed (key-folder.ts)
//   <folder>/signed/           what was signed (signed-versions.ts)
//
// Keys are read at each signature: a rotation takes effect without a restart.

import { type KeyObject, sign } from 'node:crypto'
import { join } from 'node:path'
import { createFileAtomically, makeFolder } from '#kit/atomic-file.ts'
import { newPrivateKeyPem, publicOf, readPrivateKey } from './private-key.ts'
import { keyIdOf, type PublicKey } from './public-key.ts'
import { readDocument, type TrustRole } from './signed-document.ts'
import { SignedVersions } from './signed-versions.ts'
import type { Signature, Signer } from './signer.ts'
import { SignerRefused } from './signer-refused.ts'

export const privateFileMode = 0o600
export const privateFolderMode = 0o700

export class FileSigner implements Signer {
  readonly #folder: string
  readonly #signed: SignedVersions

  constructor(folder: string) {
    this.#folder = folder
    this.#signed = new SignedVersions(signedFolder(folder))
  }

  async findKey(role: TrustRole): Promise<PublicKey | undefined> {
    const key = await readPrivateKey(keyPath(this.#folder, role))
    return key && publicOf(key)
  }

  highestVersion(role: TrustRole, scope: string): Promise<number> {
    return this.#signed.highest(role, scope)
  }

  async sign(bytes: Uint8Array): Promise<Signature> {
    const { role } = readDocument(bytes)
    const path = keyPath(this.#folder, role)
    const key = await readPrivateKey(path)
    if (!key) throw new SignerRefused(`no key for ${role} here: ${path} is missing`)
    return this.#signWith(key, bytes)
  }

  /** With the key that is to follow the present one; undefined: there is none. */
  async signWithNext(bytes: Uint8Array): Promise<Signature | undefined> {
    const key = await readPrivateKey(nextKeyPath(this.#folder, readDocument(bytes).role))
    return key && this.#signWith(key, bytes)
  }

  async #signWith(key: KeyObject, bytes: Uint8Array): Promise<Signature> {
    const keyId = keyIdOf(publicOf(key))
    await this.#signed.record(keyId, readDocument(bytes))
    return { keyid: keyId, sig: sign(null, bytes, key).toString('hex') }
  }
}

export function keyPath(folder: string, role: TrustRole): string {
  return join(folder, `${role}.key`)
}

export function nextKeyPath(folder: string, role: TrustRole): string {
  return `${keyPath(folder, role)}.next`
}

export function signedFolder(folder: string): string {
  return join(folder, 'signed')
}

/** Makes the key of a role if there is none: of several at once, all get the same. */
export function ensureKey(folder: string, role: TrustRole): Promise<PublicKey> {
  return ensureKeyFile(keyPath(folder, role), folder)
}

/** Likewise its successor. */
export function ensureNextKey(folder: string, role: TrustRole): Promise<PublicKey> {
  return ensureKeyFile(nextKeyPath(folder, role), folder)
}

async function ensureKeyFile(path: string, folder: string): Promise<PublicKey> {
  await makeFolder(folder, privateFolderMode)
  if (!(await readPrivateKey(path))) await createFileAtomically(path, newPrivateKeyPem(), privateFileMode)
  return publicOf((await readPrivateKey(path))!)
}
