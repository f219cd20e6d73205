// The contract of every place where bytes are kept by digest; blob-store-contract.ts is its one suite.
//
//   <root>/blobs/<algorithm>/<ab>/<hex>   finished, verified, immutable; the layout of the published tree
//   <root>/uploads/<id>{,.json}           unfinished; swept when stale

import type { Digest, DigestAlgorithm } from '#oci/digest.ts'

export type BlobStat = { readonly sizeBytes: number }

/** Inclusive, as in HTTP: `{ first: 0, last: 9 }` is ten bytes. */
export type ByteRange = { readonly first: number; readonly last: number }

export type BlobBody = AsyncDisposable & {
  /** Bytes that this body yields. */
  readonly sizeBytes: number
  /** Where the bytes lie on this machine, when they do: lets a server send them without reading. */
  readonly file: { readonly path: string; readonly first: number } | undefined
  stream(): ReadableStream<Uint8Array>
}

export type RepairListener = (digest: Digest, place: (target: string) => Promise<unknown>) => Promise<void>

export interface BlobStore extends AsyncDisposable {
  /** Undefined unless a finished blob is there. */
  stat(digest: Digest): Promise<BlobStat | undefined>
  /** A range must lie inside the blob, else RangeError. */
  open(digest: Digest, range?: ByteRange): Promise<BlobBody | undefined>
  /** Keeps bytes that are whole in memory (manifests); durable when it resolves. Throws DigestMismatch. */
  put(digest: Digest, bytes: Uint8Array): Promise<void>
  /** True if there was one. */
  delete(digest: Digest): Promise<boolean>
  /** All finished blobs, sorted by digest within each algorithm. */
  list(): AsyncIterable<{ readonly digest: Digest; readonly sizeBytes: number }>
  /** Re-reads a blob: `missing`, or whether its bytes still have their digest. */
  verify(digest: Digest): Promise<'good' | 'damaged' | 'missing'>
  /** Makes `target` (a path on this machine) carry the blob's bytes: a hard link, or a durable copy where that cannot be. */
  place(digest: Digest, target: string): Promise<'linked' | 'copied'>

  startUpload(about: { readonly repository: string; readonly algorithm: DigestAlgorithm }): Promise<Upload>
  findUpload(id: string): Promise<Upload | undefined>
  /** Also what a crash left of one and nobody can go on with. */
  listUploads(): AsyncIterable<{ readonly id: string; readonly modifiedMs: number }>
  /** Forgets the bytes of an upload, whether it can be gone on with or not. Throws UploadBusy. */
  dropUpload(id: string): Promise<void>
  /** Told of every blob whose damaged bytes a new upload replaces, before they are replaced here: a crash in between leaves the damage
   *  here too, where the next push finds it again. `place` puts the new bytes at a path, as the method does. */
  onRepair(listener: RepairListener): void
}

export interface Upload {
  readonly id: string
  readonly repository: string
  readonly algorithm: DigestAlgorithm
  /** Bytes held so far. */
  readonly offset: number
  /** Appends in order and resolves to the new offset. What arrived before an error stays, so that the upload can go on.
   *  One append at a time: a second one throws UploadBusy. */
  append(chunks: AsyncIterable<Uint8Array>): Promise<number>
  /** Verifies, makes durable and moves in place. Throws DigestMismatch and forgets the bytes. */
  finish(digest: Digest): Promise<BlobStat>
  cancel(): Promise<void>
}

export class DigestMismatch extends Error {
  override readonly name = 'DigestMismatch'
  readonly expected: Digest
  readonly actual: Digest
  constructor(expected: Digest, actual: Digest) {
    super(`expected ${expected}, the bytes have ${actual}`)
    this.expected = expected
    this.actual = actual
  }
}

export class UploadBusy extends Error {
  override readonly name = 'UploadBusy'
}

/** The disk (or bucket) has no room; nothing of the write that met it is kept. */
export class StorageFull extends Error {
  override readonly name = 'StorageFull'
}
