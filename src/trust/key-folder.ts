// The folder of secrets follows the chain of roots. A new key of a role is made beside the present one and takes its place right after
// the root that names it is installed. A crash in between leaves keys that the newest root does not name: nothing is signed with those
// (tree-signer.ts), and the next settling, at a start, a minute later or by `keys status`, moves them.
//
//   <folder>/next.root.json    the proposal that waits for signatures

import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Metadata, Root } from '@tufjs/models'
import { makeFolder, syncFolder, writeFileAtomically } from '#kit/atomic-file.ts'
import { findFileBytes } from '#kit/find-file-bytes.ts'
import { keyPath, nextKeyPath, privateFileMode, privateFolderMode, signedFolder } from './file-signer.ts'
import { publicOf, readPrivateKey } from './private-key.ts'
import { keyIdOf } from './public-key.ts'
import type { RootChain } from './root-chain.ts'
import { epochOf, keyIdsOf, parseRoot } from './root-document.ts'
import { type TrustRole, trustRoles } from './signed-document.ts'
import { SignedVersions } from './signed-versions.ts'

export type Settled = {
  /** Roles whose new key is at work now; the old one is gone. */
  readonly replaced: readonly TrustRole[]
  /** Roles whose key left this machine, because the newest root does not name it any more. */
  readonly deleted: readonly TrustRole[]
}

export async function settleKeys(folder: string, roots: RootChain): Promise<Settled> {
  const newest = roots.newest
  const [replaced, deleted]: [TrustRole[], TrustRole[]] = [[], []]
  if (!newest) return { replaced, deleted }
  // A proposal that cannot be read may name any key: none is deleted then.
  const proposal = await readProposal(folder, roots).catch(() => 'unreadable' as const)
  for (const role of trustRoles) {
    const isNamed = async (path: string) => {
      const key = await readPrivateKey(path)
      const isBy = (root: Metadata<Root> | undefined) =>
        key !== undefined && keyIdsOf(root, role).includes(keyIdOf(publicOf(key)))
      return {
        isThere: key !== undefined,
        isNow: isBy(newest),
        isLater: proposal === 'unreadable' || isBy(proposal?.root),
      }
    }
    const [present, next] = [await isNamed(keyPath(folder, role)), await isNamed(nextKeyPath(folder, role))]
    if (next.isNow && !present.isNow) {
      if (await moveIfThere(nextKeyPath(folder, role), keyPath(folder, role))) replaced.push(role)
    } else if (role === 'root' && present.isThere && !present.isNow && !present.isLater) {
      await rm(keyPath(folder, role), { force: true })
      deleted.push(role)
    }
  }
  if (deleted.length > 0) await syncFolder(folder)
  await forgetOtherEpochs(folder, roots)
  return { replaced, deleted }
}

export type Proposal = { readonly path: string; readonly root: Metadata<Root> }

export function proposalPath(folder: string): string {
  return join(folder, 'next.root.json')
}

/** Undefined: nothing waits. What was overtaken by another root does not count. */
export async function readProposal(folder: string, roots: RootChain): Promise<Proposal | undefined> {
  const path = proposalPath(folder)
  const bytes = await findFileBytes(path)
  if (!bytes) return undefined
  const root = parseRoot(bytes)
  return root.signed.version === (roots.newest?.signed.version ?? 0) + 1 ? { path, root } : undefined
}

export async function writeProposal(folder: string, bytes: Uint8Array): Promise<void> {
  await makeFolder(folder, privateFolderMode)
  await writeFileAtomically(proposalPath(folder), bytes, privateFileMode)
}

export async function dropProposal(folder: string): Promise<void> {
  await rm(proposalPath(folder), { force: true })
}

/** Another process may settle at the same time. */
async function moveIfThere(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
  await syncFolder(join(to, '..'))
  return true
}

/** Keys that no root of the present epoch names were those of another time. */
async function forgetOtherEpochs(folder: string, roots: RootChain): Promise<void> {
  const { epoch } = epochOf(roots.newest!)
  if (epoch === 1) return
  const ofNow = roots.files.filter(({ root }) => epochOf(root).epoch === epoch)
  await new SignedVersions(signedFolder(folder)).keepOnly(ofNow.flatMap(({ root }) => Object.keys(root.signed.keys)))
}
