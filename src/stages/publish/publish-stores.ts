import type { BlobStore } from '#blobs/blob-store.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import type { Signer } from '#trust/signer.ts'

export type PublishStores = {
  readonly catalogue: Catalogue
  readonly blobs: BlobStore
  readonly signer: Signer
  /** Root of the published tree of a channel. */
  readonly treeOf: (channel: string) => string
  readonly smallBlobBytes: number
  readonly now: () => number
}
