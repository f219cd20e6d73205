// Everything that moves with a manifest: its children, and whatever refers to any of them (signatures, SBOMs, attestations), by
// subject, by fallback tag, or by cosign's tags.

import { listTags } from '#catalogue/channels.ts'
import {
  findChannelManifests,
  findTaggedManifest,
  listReferences,
  listReferrers,
  type ManifestReference,
  type ManifestRow,
} from '#catalogue/manifests.ts'
import type { Reader } from '#catalogue/schema.ts'
import { algorithmOf, type Digest, hexOf } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/name.ts'

export type Closure = {
  readonly manifests: ReadonlyMap<Digest, ManifestRow>
  readonly references: readonly ManifestReference[]
  /** Tags that say whose companion they tag, as `sha256-<hex>.sig`: they move along. */
  readonly companionTags: ReadonlyMap<string, Digest>
}

/** A promotion is one image with its platforms and signatures; more than this is something else. */
const maxManifests = 20_000
const maxCompanionTags = 1000

export async function collectClosure(
  db: Reader,
  source: { readonly repositoryId: number; readonly name: RepositoryName; readonly channel: string },
  roots: readonly Digest[],
): Promise<Closure> {
  const { repositoryId, channel } = source
  const manifests = new Map<Digest, ManifestRow>()
  const references: ManifestReference[] = []
  const companionTags = new Map<string, Digest>()
  let next: Digest[] = [...new Set(roots)]
  while (next.length > 0) {
    const found = await findChannelManifests(db, repositoryId, channel, next)
    for (const row of found) manifests.set(row.digest, row)
    if (manifests.size > maxManifests) {
      throw new RegistryError(
        'CONFLICT',
        `${source.name}: more than ${maxManifests} manifests belong to what is promoted`,
      )
    }
    const digests = found.map((row) => row.digest)
    const parts = await listReferences(db, digests)
    references.push(...parts)
    const reached = [
      ...parts.filter((part) => part.role === 'child').map((part) => part.digest),
      ...(await listReferrers(db, repositoryId, channel, digests)).map((row) => row.digest),
    ]
    for (const digest of digests) {
      for (const [tag, companion] of await findCompanions(db, source, digest)) {
        companionTags.set(tag, companion)
        reached.push(companion)
      }
    }
    next = [...new Set(reached)].filter((digest) => !manifests.has(digest))
    // A child that the channel does not hold is reported by the caller; asking for it again would never end.
    const held = new Set((await findChannelManifests(db, repositoryId, channel, next)).map((row) => row.digest))
    next = next.filter((digest) => held.has(digest))
  }
  return { manifests, references, companionTags }
}

/** `<alg>-<hex>` is the referrers fallback tag; with `.sig`, `.att` or `.sbom` behind it, cosign's. */
async function findCompanions(
  db: Reader,
  { repositoryId, name, channel }: { repositoryId: number; name: RepositoryName; channel: string },
  digest: Digest,
): Promise<[string, Digest][]> {
  const prefix = `${algorithmOf(digest)}-${hexOf(digest).slice(0, 64)}`
  const exact = await findTaggedManifest(db, name, channel, prefix)
  const rows = await listTags(db, repositoryId, channel, prefix, maxCompanionTags)
  const dotted: [string, Digest][] = []
  for (const row of rows) {
    if (!row.tag.startsWith(prefix)) break
    if (row.tag.startsWith(`${prefix}.`)) dotted.push([row.tag, row.digest])
  }
  return exact ? [[prefix, exact.digest], ...dotted] : dotted
}
