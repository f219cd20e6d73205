// TUF metadata as bytes: what is signed (canonical JSON) and what is written.

import { canonicalize } from '@tufjs/canonical-json'
import {
  Metadata,
  type Root,
  type Snapshot,
  type Targets,
  type Timestamp,
  Signature as TufSignature,
} from '@tufjs/models'
import type { Signature } from './signer.ts'

type Signed = Root | Timestamp | Snapshot | Targets

export function signedBytes<T extends Signed>(metadata: Metadata<T>): Buffer {
  return Buffer.from(canonicalize(metadata.signed.toJSON()))
}

/** With these signatures instead of those that it has. */
export function withSignatures<T extends Signed>(metadata: Metadata<T>, signatures: readonly Signature[]): Metadata<T> {
  const all: Record<string, TufSignature> = {}
  for (const { keyid, sig } of signatures) all[keyid] = new TufSignature({ keyID: keyid, sig })
  return new Metadata(metadata.signed, all)
}

export function encodeMetadata<T extends Signed>(metadata: Metadata<T>): Buffer {
  return Buffer.from(JSON.stringify(metadata.toJSON()))
}
