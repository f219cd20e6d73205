import type { BlobStore } from '#blobs/blob-store.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import type { TreeSigner } from '#trust/tree-signer.ts'

export type Trust = Pick<TreeSigner, 'signContents' | 'resign' | 'generationFloor'>

export type PublishStores = {
  readonly catalogue: Catalogue
  readonly blobs: BlobStore
  readonly trust: Trust
  /** Root of the published tree of a channel. */
  readonly treeOf: (channel: string) => string
  readonly smallBlobBytes: number
  /** How old the list of what is pulled most may become. */
  readonly popularityMs: number
  readonly now: () => number
}
