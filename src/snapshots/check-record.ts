// One record of a file of block checks. The seal is of our own key, so that a record that rotted or was forged is as good as absent:
// no host is ever closed because of it.
//
//   0        32 first bytes of the digest, by which the records are sorted
//   32      128 the checks of its blocks
//   160      16 seal of all before
//
// Digests are told apart by 32 bytes whatever their algorithm: two that share them would only spoil each other's proofs.

import { type Digest, hexOf } from '#oci/digest.ts'

export const nameBytes = 32
export const recordChecksBytes = 128
const sealBytes = 16
const sealAt = nameBytes + recordChecksBytes
export const recordBytes = sealAt + sealBytes

/** The key of the block checks; `mac` is an HMAC-SHA-256 with it, `id` tells it from others. */
export type Sealer = { readonly id: string; mac(...parts: readonly (string | Uint8Array)[]): Uint8Array }

export function nameOf(digest: Digest): Buffer {
  return Buffer.from(hexOf(digest).slice(0, 2 * nameBytes), 'hex')
}

export function encodeRecord(digest: Digest, checks: Uint8Array, sealer: Sealer): Buffer {
  if (checks.length !== recordChecksBytes) throw new Error(`${digest} has ${checks.length} bytes of checks`)
  const record = Buffer.alloc(recordBytes)
  nameOf(digest).copy(record)
  record.set(checks, nameBytes)
  sealOf(record, sealer).copy(record, sealAt)
  return record
}

/** The checks of a record, unless it is not what we wrote. */
export function openRecord(record: Buffer, sealer: Sealer): Uint8Array | undefined {
  if (!sealOf(record, sealer).equals(record.subarray(sealAt, recordBytes))) return undefined
  return record.subarray(nameBytes, sealAt)
}

function sealOf(record: Buffer, sealer: Sealer): Buffer {
  return Buffer.from(sealer.mac('record', record.subarray(0, sealAt)).subarray(0, sealBytes))
}
