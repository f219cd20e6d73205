// The publisher's trust as a start finds it, or makes it: keys, the chain of roots, and who signs trees with them.

import { join } from 'node:path'
import { Ceremony } from './ceremony.ts'
import { settleKeys } from './key-folder.ts'
import type { RootChain } from './root-chain.ts'
import { RootRefused } from './root-document.ts'
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
  /** Takes up what `flotilla keys` did meanwhile, finishes what a crash left of it, and renews a root that keys here can renew: every
   *  minute or so. Resolves to the version of a root that was renewed. */
  upkeep(): Promise<number | undefined>
}

export function rootsFolder(keys: string): string {
  return join(keys, 'roots')
}

/** `keys`: the folder of secrets, made if it is missing (0700). Throws RootRefused when the first root still waits for signatures. */
export async function openTrust(keys: string, options: TrustOptions): Promise<Trust> {
  const { signer: given, now, rootMs } = options
  const ceremony = await openCeremony(keys, { signer: given, now, rootMs })
  const { roots, signer } = ceremony
  const isFirstStart = roots.newest === undefined
  if (isFirstStart) {
    const waiting = await ceremony.proposal()
    if (waiting)
      throw new RootRefused(`the first root waits for signatures at ${waiting.path}: see \`flotilla keys status\``)
    await ceremony.begin([], 1)
  }
  const upkeep = async () => {
    await roots.reload()
    await settleKeys(keys, roots)
    return (await ceremony.renewIfDue())?.root.signed.version
  }
  return { signer, roots, tree: new TreeSigner(signer, roots, options, now), isFirstStart, upkeep }
}

export function openCeremony(
  keys: string,
  parts: { readonly signer: Signer | undefined; readonly now: () => number; readonly rootMs: number },
): Promise<Ceremony> {
  return Ceremony.open({ ...parts, folder: keys, rootsFolder: rootsFolder(keys) })
}
