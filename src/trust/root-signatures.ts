// Whose signatures a root has and still needs: a threshold of the root keys of the one before, and a threshold of its own.

import type { Metadata, Root } from '@tufjs/models'
import type { Signature } from './signer.ts'

export type RootNeed = {
  /** The root before, absent for the first root; and the root itself. */
  readonly by: 'before' | 'itself'
  readonly threshold: number
  readonly signed: readonly string[]
  readonly unsigned: readonly string[]
}

export type RootSignatures = { readonly needs: readonly RootNeed[]; readonly isComplete: boolean }

export function signaturesOf(before: Metadata<Root> | undefined, next: Metadata<Root>): RootSignatures {
  const needs: RootNeed[] = before ? [needOf('before', before, next)] : []
  needs.push(needOf('itself', next, next))
  return { needs, isComplete: needs.every(({ threshold, signed }) => signed.length >= threshold) }
}

/** Those that count: valid, by root keys of either. */
export function countedSignatures(before: Metadata<Root> | undefined, next: Metadata<Root>): Signature[] {
  const ids = new Set(signaturesOf(before, next).needs.flatMap(({ signed }) => signed))
  return [...ids].map((keyid) => ({ keyid, sig: next.signatures[keyid]!.sig }))
}

function needOf(by: RootNeed['by'], root: Metadata<Root>, next: Metadata<Root>): RootNeed {
  const { keyIDs, threshold } = root.signed.roles.root!
  const signed = keyIDs.filter((id) => isSignedBy(root, id, next))
  return { by, threshold, signed, unsigned: keyIDs.filter((id) => !signed.includes(id)) }
}

function isSignedBy(root: Metadata<Root>, keyId: string, next: Metadata<Root>): boolean {
  try {
    root.signed.keys[keyId]!.verifySignature(next)
    return true
  } catch {
    return false
  }
}
