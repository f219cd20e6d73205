// What a holder of a root key does, on a machine that may know nothing else: makes a key, looks at a root, signs it.

import { sign } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { type Metadata, MetadataKind, type Root } from '@tufjs/models'
import { createFileAtomically, publicFileMode, writeFileAtomically } from '#kit/atomic-file.ts'
import { describeChange, describeRoot } from './describe-change.ts'
import { privateFileMode } from './file-signer.ts'
import { encodeMetadata, signedBytes, withSignatures } from './metadata-bytes.ts'
import { KeyRefused, newPrivateKeyPem, parsePrivateKey, publicOf, readPrivateKey } from './private-key.ts'
import { encodePublicKey, keyIdOf, type PublicKey, parsePublicKey } from './public-key.ts'
import { keyIdsOf, parseRoot, RootRefused, requireSound } from './root-document.ts'
import { countedSignatures, type RootNeed, signaturesOf } from './root-signatures.ts'

export type MadeKey = { readonly id: string; readonly keyFile: string; readonly publicFile: string }

/** Never writes over a key that is there. */
export async function makeKeyFile(to: string, passphrase: string | undefined): Promise<MadeKey> {
  const pem = newPrivateKeyPem(passphrase)
  const key = publicOf(parsePrivateKey(pem, to, passphrase))
  if (!(await createFileAtomically(to, pem, privateFileMode)))
    throw new KeyRefused(`${to} is there already: choose another name`)
  const publicFile = `${to}.pub.json`
  await writeFileAtomically(publicFile, encodePublicKey(key), publicFileMode)
  return { id: keyIdOf(key), keyFile: to, publicFile }
}

export async function readPublicKey(path: string): Promise<PublicKey> {
  const key = parsePublicKey(await readFile(path, 'utf8'))
  if (!key) throw new KeyRefused(`${path} holds no public key: give the .pub.json that \`flotilla keys new\` makes`)
  return key
}

export async function readRootFile(path: string): Promise<Metadata<Root>> {
  try {
    return parseRoot(await readFile(path))
  } catch (error) {
    if (error instanceof RootRefused) throw new RootRefused(`${path}: ${error.message}`, { cause: error })
    throw error
  }
}

export type RootReview = {
  readonly version: number
  readonly keyId: string
  /** One sentence each: what changes, or without a root before, what it says. */
  readonly says: readonly string[]
  readonly isCompared: boolean
  /** Adds the signature to the file; what counts for nothing is left out. */
  sign(): Promise<{ readonly needs: readonly RootNeed[]; readonly isComplete: boolean }>
}

export type ReviewFiles = {
  readonly rootFile: string
  readonly keyFile: string
  readonly passphrase: string | undefined
  /** The root that is in force, as the holder keeps it. */
  readonly previousFile: string | undefined
}

/** Throws RootRefused when the root is unsound, does not follow, or the key has no say in it. */
export async function reviewRoot({ rootFile, keyFile, passphrase, previousFile }: ReviewFiles): Promise<RootReview> {
  const root = await readRootFile(rootFile)
  requireSound(root)
  const before = previousFile === undefined ? undefined : await readRootFile(previousFile)
  if (before) requireFollows(before, root)
  const key = await readPrivateKey(keyFile, passphrase)
  if (!key) throw new KeyRefused(`there is no key at ${keyFile}`)
  const keyId = keyIdOf(publicOf(key))
  if (![root, before].some((one) => keyIdsOf(one, 'root').includes(keyId)))
    throw new RootRefused(
      `key ${keyId} is no root key of ${rootFile}${before ? ' nor of the root before' : '; if it leaves, show the root before with --previous'}`,
    )
  return {
    version: root.signed.version,
    keyId,
    says: before ? describeChange(before, root) : describeRoot(root),
    isCompared: before !== undefined,
    async sign() {
      const others = Object.values(root.signatures).map(({ keyID, sig }) => ({ keyid: keyID, sig }))
      const own = { keyid: keyId, sig: sign(null, signedBytes(root), key).toString('hex') }
      const all = withSignatures(root, [...others.filter(({ keyid }) => keyid !== keyId), own])
      // Without the root before nobody can tell here which other signatures count.
      const kept = before ? withSignatures(root, countedSignatures(before, all)) : all
      await writeFileAtomically(rootFile, encodeMetadata(kept))
      return signaturesOf(before, kept)
    },
  }
}

function requireFollows(before: Metadata<Root>, root: Metadata<Root>): void {
  try {
    before.verifyDelegate(MetadataKind.Root, before)
  } catch {
    throw new RootRefused(`the root before (version ${before.signed.version}) is not signed as it asks for itself`)
  }
  if (root.signed.version !== before.signed.version + 1)
    throw new RootRefused(`root ${root.signed.version} does not follow root ${before.signed.version}`)
}
