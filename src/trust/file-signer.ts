// A Signer whose key and memory are files:
//
//   <folder>/pointer.key             PKCS#8 PEM, 0600; made at the first start
//   <folder>/signed/<role>/<version> empty; the highest name is the highest version signed
//
// The version is recorded before the signature exists, by creating a name: no lock, and two processes that sign at once
// cannot both believe themselves to be first.

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createFileAtomically, makeFolder } from '#kit/atomic-file.ts'
import { keyIdOf, publicKeyOf } from './public-key.ts'
import { type Signature, type Signer, SignerRefused } from './signer.ts'

const privateFileMode = 0o600
const privateFolderMode = 0o700
const rolePattern = /^[a-z][a-z0-9-]{0,62}$/

export async function openFileSigner(folder: string): Promise<Signer> {
  await makeFolder(folder, privateFolderMode)
  const key = await readOrMakeKey(join(folder, 'pointer.key'))
  const publicKey = publicKeyOf(createPublicKey(key))
  const keyId = keyIdOf(publicKey)
  return {
    keyId,
    publicKey,
    async sign(role, version, bytes): Promise<Signature> {
      await recordVersion(folder, role, version)
      return { keyid: keyId, sig: sign(null, bytes, key).toString('hex') }
    },
  }
}

async function readOrMakeKey(path: string): Promise<KeyObject> {
  const { privateKey } = generateKeyPairSync('ed25519')
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
  // Whoever loses the race reads the winner's key.
  const isMade = await createFileAtomically(path, pem, privateFileMode)
  if (isMade) return privateKey
  const key = createPrivateKey(await readFile(path, 'utf8'))
  if (key.asymmetricKeyType !== 'ed25519') throw new Error(`${path} holds no Ed25519 key`)
  return key
}

async function recordVersion(folder: string, role: string, version: number): Promise<void> {
  if (!rolePattern.test(role)) throw new SignerRefused(`not a role: ${role}`)
  if (!Number.isSafeInteger(version) || version < 1) throw new SignerRefused(`not a version: ${version}`)
  const signed = join(folder, 'signed', role)
  await makeFolder(signed, privateFolderMode)
  await refuseLower(signed, role, version)
  await createFileAtomically(join(signed, String(version)), '', privateFileMode)
  // Again, now that our own name is visible: of two at once, the one with the lower version sees the other here.
  for (const lower of await refuseLower(signed, role, version)) await rm(join(signed, String(lower)), { force: true })
}

/** Throws if a higher version is recorded; resolves to the lower ones. */
async function refuseLower(signed: string, role: string, version: number): Promise<number[]> {
  const versions = (await readdir(signed)).filter((name) => /^[0-9]{1,16}$/.test(name)).map(Number)
  const highest = Math.max(0, ...versions)
  if (highest > version) throw new SignerRefused(`${role} ${version} is older than ${role} ${highest}, signed before`)
  return versions.filter((one) => one < version)
}
