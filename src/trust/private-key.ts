// Ed25519 private keys as PEM (PKCS#8), encrypted when they get a passphrase.

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { findFileBytes } from '#kit/find-file-bytes.ts'
import { type PublicKey, publicKeyOf } from './public-key.ts'

/** A key, or a file of one, that cannot be used; the message says what to do. */
export class KeyRefused extends Error {
  override readonly name = 'KeyRefused'
}

export function newPrivateKeyPem(passphrase?: string): string {
  const { privateKey } = generateKeyPairSync('ed25519')
  const plain = { type: 'pkcs8', format: 'pem' } as const
  return privateKey.export(passphrase === undefined ? plain : { ...plain, cipher: 'aes-256-cbc', passphrase }) as string
}

/** `from`: where the PEM came from, for the message. Throws unless it holds an Ed25519 private key that the passphrase opens. */
export function parsePrivateKey(pem: string, from: string, passphrase?: string): KeyObject {
  if (pem.includes('ENCRYPTED') && passphrase === undefined)
    throw new KeyRefused(`${from} is encrypted: give the file of its passphrase (--passphrase-file)`)
  let key: KeyObject
  try {
    key = createPrivateKey({ key: pem, format: 'pem', ...(passphrase === undefined ? {} : { passphrase }) })
  } catch (error) {
    const hint = passphrase === undefined ? '' : ', or the passphrase is another'
    throw new KeyRefused(`${from} holds no private key (PEM)${hint}`, { cause: error })
  }
  if (key.asymmetricKeyType !== 'ed25519') throw new KeyRefused(`${from} holds no Ed25519 key`)
  return key
}

/** Undefined: there is no such file. */
export async function readPrivateKey(path: string, passphrase?: string): Promise<KeyObject | undefined> {
  const pem = await findFileBytes(path)
  return pem && parsePrivateKey(pem.toString(), path, passphrase)
}

export function publicOf(key: KeyObject): PublicKey {
  return publicKeyOf(createPublicKey(key))
}
