// Files of block checks with made-up checks, for tests of those who write and read them.

import { createHash } from 'node:crypto'
import { BlockKey } from '#blobs/block-key.ts'
import { type Digest, makeDigest } from '#oci/digest.ts'
import { encodeRecord, recordChecksBytes } from '#snapshots/check-record.ts'
import { CheckFolder } from '#upkeep/check-folder.ts'

export const blockKey = new BlockKey(Buffer.alloc(32, 7))
export const otherBlockKey = new BlockKey(Buffer.alloc(32, 8))

export function numberedDigest(n: number): Digest {
  return makeDigest('sha256', createHash('sha256').update(`blob ${n}`).digest('hex'))
}

/** Tells the number and a version of it. */
export function checksOf(n: number, version = 0): Buffer {
  return Buffer.alloc(recordChecksBytes, `${n} ${version} `)
}

export function recordOf(n: number, version = 0): Buffer {
  return encodeRecord(numberedDigest(n), checksOf(n, version), blockKey)
}

export function openCheckFolder(folder: string, now: () => number = Date.now, key = blockKey): CheckFolder {
  const onRefused = (error: Error) => {
    throw error
  }
  return new CheckFolder(folder, { channel: 'stable', keyId: key.id }, { now, onRefused })
}
