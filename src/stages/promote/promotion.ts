// What a promotion asks for and what it did.

import type { Digest } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/name.ts'
import type { Reference } from '#oci/reference.ts'

export type PromotionItem = { readonly name: RepositoryName; readonly reference: Reference }

export type PromotionRequest = {
  readonly items: readonly PromotionItem[]
  readonly from: string
  readonly to: string
  /** Set in every repository of the request; none: a reference by tag keeps its tag, one by digest gets none. */
  readonly tags: readonly Tag[]
  readonly reason: string | undefined
  readonly actor: string
  readonly isDryRun: boolean
  readonly idempotencyKey: string | undefined
}

export type MovedTag = { readonly tag: string; readonly from: Digest | null; readonly to: Digest | null }

export type ChangedTarget = {
  readonly repository: RepositoryName
  readonly version: number
  readonly tags: readonly MovedTag[]
  /** Manifests that the channel did not hold before. */
  readonly manifestsAdded: number
}

export type ActResult = {
  readonly id: string
  readonly channel: string
  readonly isDryRun: boolean
  readonly repositories: readonly ChangedTarget[]
  /** The job that will publish it; undefined for channels that are not public, for dry runs, and when nothing changed. */
  readonly publication: string | undefined
}
