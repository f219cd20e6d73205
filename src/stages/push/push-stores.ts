import type { Authenticator, Caller } from '#access/authenticate.ts'
import type { RegistryTokens } from '#access/registry-token.ts'
import type { BlobStore } from '#blobs/blob-store.ts'
import type { BlockKey } from '#blobs/block-key.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import type { Ask } from '#http/answer.ts'
import type { BytesCache } from '#kit/bytes-cache.ts'
import type { ManifestLimits } from '#oci/manifest.ts'
import type { RepositoryName } from '#oci/name.ts'

/** What the work of this stage needs; its answers add who asks. */
export type PushStores = {
  readonly catalogue: Catalogue
  readonly blobs: BlobStore
  /** Where pushes land. */
  readonly channel: string
  readonly limits: ManifestLimits
  /** With which key block checks are made, of blobs of this size and more. Undefined: not here. */
  readonly blockChecks?: { readonly key: BlockKey; readonly fromBytes: number } | undefined
  readonly now: () => number
}

export type RegistryOptions = PushStores & {
  /** Bytes of manifests by digest. It grants nothing: the catalogue is asked first whether the repository holds it. */
  readonly manifestBytes: BytesCache
  readonly authenticator: Authenticator
  readonly tokens: RegistryTokens
  /** Absolute address of `/token`, never taken from a request. */
  readonly realm: string
  readonly service: string
  readonly tokenLifetimeMs: number
  /** Entries in one answer of tags, catalogue and referrers. */
  readonly maxPageSize: number
  readonly maxTagsPerPut: number
  /** The listener is bound to loopback: there, and for loopback peers only, the admin token works too. */
  readonly isLoopback: boolean
}

export type RepositoryAsk = {
  readonly ask: Ask
  readonly name: RepositoryName
  readonly query: URLSearchParams
  readonly caller: Caller
}
