// publication + pack -> the next publication. Nothing is changed in place; what a pack does not name is shared.

import { Breather } from '#kit/breather.ts'
import type { Digest } from '#oci/digest.ts'
import { type DecodedRepository, PackRefused } from './pack-record.ts'
import type { ManifestTable, Publication, PublishedManifest, PublishedRepository } from './publication.ts'
import { noBlobs, noManifests } from './published-tables.ts'
import type { Pack } from './read-pack.ts'

const ascending = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

function sorted<T>(map: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
  return new Map([...map].sort(([a], [b]) => ascending(a, b)))
}

/** A pack may begin before what is held: then some of what it adds is there, and some of what it removes is not. */
function changedTags(
  base: ReadonlyMap<string, Digest>,
  { tagsRemoved, tagsSet }: DecodedRepository,
): ReadonlyMap<string, Digest> {
  if (tagsRemoved.size === 0 && tagsSet.size === 0) return base
  const map = new Map(base)
  for (const tag of tagsRemoved) map.delete(tag)
  for (const [tag, digest] of tagsSet) map.set(tag, digest)
  return sorted(map)
}

function referrersOf(manifests: ManifestTable): ReadonlyMap<string, readonly PublishedManifest[]> {
  const referrers = new Map<string, PublishedManifest[]>()
  for (const manifest of manifests.values(({ subject }) => subject !== undefined)) {
    const list = referrers.get(manifest.subject!)
    if (list) list.push(manifest)
    else referrers.set(manifest.subject!, [manifest])
  }
  for (const list of referrers.values()) list.sort((a, b) => ascending(a.digest, b.digest))
  return referrers
}

function applyRepository(base: PublishedRepository | undefined, change: DecodedRepository): PublishedRepository {
  const { name } = change
  const before = base ?? { name, tags: new Map(), manifests: noManifests, blobs: noBlobs, referrers: new Map() }
  const tags = changedTags(before.tags, change)
  const manifests = before.manifests.changed(change.manifestsRemoved, change.manifestsAdded)
  for (const [tag, digest] of tags) {
    if (!manifests.has(digest)) throw new PackRefused(`${name}:${tag} is ${digest}, which is not published with it`)
  }
  return {
    name,
    tags,
    manifests,
    blobs: before.blobs.changed(change.blobsRemoved, change.blobsAdded),
    referrers: manifests === before.manifests ? before.referrers : referrersOf(manifests),
  }
}

/** Repositories come out sorted by name. A whole pack needs no base; one of changes any that it spans. Throws PackRefused. */
export async function applyPack(base: Publication | undefined, pack: Pack): Promise<Publication> {
  const { channel, from, to, createdAtMs, smallBlobBytes } = pack.header
  const fits = base ? from > 0 && from <= base.generation && base.generation < to : from === 0
  if (!fits)
    throw new PackRefused(`a pack from generation ${from} to ${to} does not fit on ${base?.generation ?? 'nothing'}`)
  if (base && base.channel !== channel) throw new PackRefused(`a pack of ${channel} does not fit on ${base.channel}`)
  const repositories = new Map(base?.repositories)
  const breather = new Breather()
  let hasNew = false
  for (const change of pack.repositories) {
    if (breather.isDue) await breather.pause()
    if (change.isRemoved) {
      repositories.delete(change.name)
      continue
    }
    const before = repositories.get(change.name)
    hasNew ||= !before
    repositories.set(change.name, applyRepository(before, change))
  }
  return {
    channel,
    generation: to,
    createdAtMs,
    smallBlobBytes,
    repositories: hasNew ? sorted(repositories) : repositories,
  }
}
