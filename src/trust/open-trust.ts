// The publisher's trust as a start finds it, or makes it: keys, the chain of roots, and who signs trees with them.

import { join } from 'node:path'
import { ensureKey, FileSigner } from './file-signer.ts'
import { makeFirstRoot, RootChain } from './root-chain.ts'
import { trustRoles } from './signed-document.ts'
import type { Signer } from './signer.ts'
import { type Lifetimes, TreeSigner } from './tree-signer.ts'

export type TrustOptions = Lifetimes & {
  readonly rootMs: number
  readonly now: () => number
  /** Undefined: keys are files of the folder. */
  readonly signer?: Signer | undefined
}

export type Trust = {
  readonly signer: Signer
  readonly roots: RootChain
  readonly tree: TreeSigner
  /** The first root was made now, of keys that lie on this machine. */
  readonly isFirstStart: boolean
}

export function rootsFolder(keys: string): string {
  return join(keys, 'roots')
}

/** `keys`: the folder of secrets, made if it is missing (0700). */
export async function openTrust(keys: string, { signer: given, ...options }: TrustOptions): Promise<Trust> {
  const roots = await RootChain.open(rootsFolder(keys))
  const isFirstStart = roots.newest === undefined
  if (isFirstStart && !given) for (const role of trustRoles) await ensureKey(keys, role)
  const signer = given ?? new FileSigner(keys)
  if (isFirstStart) await roots.install(await makeFirstRoot(signer, new Date(options.now() + options.rootMs)))
  return { signer, roots, tree: new TreeSigner(signer, roots, options, options.now), isFirstStart }
}
