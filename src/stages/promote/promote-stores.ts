import type { BlobStore } from '#blobs/blob-store.ts'
import type { Catalogue } from '#catalogue/schema.ts'

export type PromoteStores = {
  readonly catalogue: Catalogue
  readonly blobs: BlobStore
  readonly now: () => number
  /** In order; pushes land in the first. */
  readonly channels: readonly string[]
  readonly publicChannels: readonly string[]
  readonly foreignLayerChannels: readonly string[]
  readonly publishDelayMs: number
}
