// Push, promote, publish in one process, on real stores: small images made by code, as a builder and a release engineer would move them.

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { BlobStore } from '#blobs/blob-store.ts'
import { DiskBlobStore } from '#blobs/disk/disk-blob-store.ts'
import { digestOf } from '#blobs/hashing.ts'
import { addRepositoryBlob } from '#catalogue/blobs.ts'
import { ensureRepository } from '#catalogue/repositories.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import type { Digest } from '#oci/digest.ts'
import { defaultManifestLimits } from '#oci/manifest.ts'
import { mediaTypes } from '#oci/media-type.ts'
import type { RepositoryName, Tag } from '#oci/name.ts'
import { parseImageReference } from '#oci/reference.ts'
import { applyPromotion } from '#stages/promote/apply-promotion.ts'
import { applyRollback } from '#stages/promote/apply-rollback.ts'
import type { PromoteStores } from '#stages/promote/promote-stores.ts'
import type { ActResult, PromotionRequest } from '#stages/promote/promotion.ts'
import type { PublishStores } from '#stages/publish/publish-stores.ts'
import { type Published, renderGeneration } from '#stages/publish/render-generation.ts'
import { putManifest } from '#stages/push/put-manifest.ts'
import type { Trust } from '#trust/open-trust.ts'
import { dayMs, openTestTrust } from './trust.ts'

export type PushedLayer = { readonly bytes: Uint8Array; readonly urls?: readonly string[]; readonly isAbsent?: boolean }
export type ImagePush = {
  readonly tags?: readonly string[]
  /** Text stands for its bytes. */
  readonly layers?: readonly (string | PushedLayer)[]
  readonly subject?: Digest
  /** Makes the config, and so the digest, differ. */
  readonly note?: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly platform?: Platform
}

/** `platforms`: of the children, in their order. */
export type IndexPush = Pick<ImagePush, 'tags' | 'subject'> & { readonly platforms?: readonly Platform[] }
export type Platform = { readonly os: string; readonly architecture: string }

export type ReleaseLine = AsyncDisposable & {
  readonly folder: string
  readonly catalogue: Catalogue
  readonly blobs: BlobStore
  readonly trust: Trust
  readonly stores: PromoteStores & PublishStores
  treeOf(channel: string): string
  push(repository: string, image?: ImagePush): Promise<Digest>
  pushIndex(repository: string, children: readonly Digest[], more?: IndexPush): Promise<Digest>
  promote(references: readonly string[], more?: Partial<PromotionRequest>): Promise<ActResult>
  /** `to`: a generation, or a repository with one of its versions (none: the one before). */
  rollback(
    to: number | readonly [repository: string, version?: number],
    more?: { isDryRun?: boolean; idempotencyKey?: string },
  ): Promise<ActResult>
  publish(channel?: string): Promise<Published>
}

export type ReleaseLineOptions = {
  readonly smallBlobBytes?: number
  /** Root of the published trees, when it is to lie elsewhere. */
  readonly trees?: string
  readonly foreignLayerChannels?: readonly string[]
  /** The first time that its clock tells; now when it is not given. */
  readonly startMs?: number
  /** Opens the catalogue; SQLite in the folder when it is not given. */
  readonly openCatalogue?: () => Promise<Catalogue>
}

export const largeLayer = (text: string, sizeBytes = 600) =>
  text.repeat(Math.ceil(sizeBytes / text.length)).slice(0, sizeBytes)
const encoder = new TextEncoder()

export async function openReleaseLine(folder: string, options: ReleaseLineOptions = {}): Promise<ReleaseLine> {
  await mkdir(folder, { recursive: true })
  const catalogue = await (options.openCatalogue ?? (() => openSqlite(join(folder, 'catalogue.sqlite'))))()
  const blobs = await DiskBlobStore.open(join(folder, 'store'))
  let clockMs = options.startMs ?? Date.now()
  const now = () => ++clockMs
  const trust = await openTestTrust(join(folder, 'keys'), now)
  const treeOf = (channel: string) => join(options.trees ?? join(folder, 'tree'), channel)
  const stores = {
    catalogue,
    blobs,
    trust: trust.tree,
    treeOf,
    now,
    channels: ['candidate', 'testing', 'stable'],
    publicChannels: ['stable'],
    foreignLayerChannels: options.foreignLayerChannels ?? [],
    publishDelayMs: 300_000,
    smallBlobBytes: options.smallBlobBytes ?? 256,
    popularityMs: dayMs,
  }
  const pushStores = { catalogue, blobs, channel: 'candidate', limits: defaultManifestLimits, now }

  const keep = async (name: RepositoryName, bytes: Uint8Array): Promise<Digest> => {
    const digest = digestOf(bytes)
    await blobs.put(digest, bytes)
    await catalogue.transaction().execute(async (tx) => {
      await addRepositoryBlob(tx, await ensureRepository(tx, name, now()), digest, bytes.length, now())
    })
    return digest
  }
  const put = async (name: RepositoryName, value: object, tags: readonly string[] = []): Promise<Digest> => {
    const bytes = encoder.encode(JSON.stringify(value))
    const about = { name, bytes, contentType: undefined, digest: undefined, tags: tags as Tag[], actor: 'builder' }
    return (await putManifest(about, pushStores)).digest
  }
  const subjectOf = async (subject: Digest | undefined) =>
    subject && { mediaType: mediaTypes.ociManifest, digest: subject, size: (await blobs.stat(subject))?.sizeBytes ?? 2 }

  return {
    folder,
    catalogue,
    blobs,
    trust,
    stores,
    treeOf,
    async push(repository, image = {}) {
      const name = repository as RepositoryName
      const config = encoder.encode(JSON.stringify({ os: 'linux', ...image.platform, note: image.note ?? repository }))
      const layers: object[] = []
      for (const layer of image.layers ?? [largeLayer(repository)]) {
        const { bytes, urls, isAbsent } =
          typeof layer === 'string' ? { bytes: encoder.encode(layer) } : (layer as PushedLayer)
        const digest = isAbsent ? digestOf(bytes) : await keep(name, bytes)
        layers.push({
          mediaType: 'application/vnd.oci.image.layer.v1.tar',
          digest,
          size: bytes.length,
          ...(urls && { urls }),
        })
      }
      const value = {
        schemaVersion: 2,
        mediaType: mediaTypes.ociManifest,
        config: { mediaType: mediaTypes.ociConfig, digest: await keep(name, config), size: config.length },
        layers,
        subject: await subjectOf(image.subject),
        annotations: image.annotations,
      }
      return await put(name, value, image.tags)
    },
    async pushIndex(repository, children, more = {}) {
      const manifests: object[] = []
      for (const [i, digest] of children.entries()) {
        const size = (await blobs.stat(digest))?.sizeBytes
        const platform = more.platforms?.[i]
        manifests.push({ mediaType: mediaTypes.ociManifest, digest, size, ...(platform && { platform }) })
      }
      const value = {
        schemaVersion: 2,
        mediaType: mediaTypes.ociIndex,
        manifests,
        subject: await subjectOf(more.subject),
      }
      return await put(repository as RepositoryName, value, more.tags)
    },
    promote: (references, more = {}) =>
      applyPromotion(
        {
          items: references.map((text) => parseImageReference(text)!),
          from: 'candidate',
          to: 'stable',
          tags: [],
          reason: undefined,
          actor: 'engineer',
          idempotencyKey: undefined,
          isDryRun: false,
          ...more,
        },
        stores,
      ),
    rollback: (to, more) =>
      applyRollback(
        {
          channel: 'stable',
          to: typeof to === 'number' ? { generation: to } : { name: to[0] as RepositoryName, version: to[1] },
          reason: 'it broke',
          actor: 'engineer',
          isDryRun: false,
          idempotencyKey: undefined,
          ...more,
        },
        stores,
      ),
    publish: (channel = 'stable') =>
      renderGeneration(channel, { actor: 'worker' }, stores, {
        signal: new AbortController().signal,
        progress: () => undefined,
      }),
    async [Symbol.asyncDispose]() {
      await blobs[Symbol.asyncDispose]()
      await catalogue.destroy()
    },
  }
}
