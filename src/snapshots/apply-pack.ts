// publication + pack -> the next publication. Nothing is changed in place; what a pack does not name is shared.
import type { Digest } from '#oci/digest.ts'
import { type DecodedRepository, PackRefused } from './pack-record.ts'
import type { Publication, PublishedManifest, PublishedRepository } from './publication.ts'
import type { Pack } from './read-pack.ts'

const ascending = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

function sorted<T>(map: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
  return new Map([...map].sort(([a], [b]) => ascending(a, b)))
}

type Change<T> = { readonly removed: ReadonlySet<string>; readonly added: ReadonlyMap<string, T> }

/** A pack may begin before what is held: then some of what it adds is there, and some of what it removes is not. */
function changed<T>(base: ReadonlyMap<string, T>, { removed, added }: Change<T>): ReadonlyMap<string, T> {
  if (removed.size === 0 && added.size === 0) return base
  const map = new Map(base)
  for (const key of removed) map.delete(key)
  for (const [key, value] of added) map.set(key, value)
  return map
}

function referrersOf(
  manifests: ReadonlyMap<string, PublishedManifest>,
): ReadonlyMap<string, readonly PublishedManifest[]> {
  const referrers = new Map<string, PublishedManifest[]>()
  for (const manifest of manifests.values()) {
    if (!manifest.subject) continue
    const list = referrers.get(manifest.subject)
    if (list) list.push(manifest)
    else referrers.set(manifest.subject, [manifest])
  }
  for (const list of referrers.values()) list.sort((a, b) => ascending(a.digest, b.digest))
  return referrers
}

const nothing: Omit<PublishedRepository, 'name'> = {
  tags: new Map(),
  manifests: new Map(),
  blobs: new Map(),
  referrers: new Map(),
}

function applyRepository(base: PublishedRepository | undefined, change: DecodedRepository): PublishedRepository {
  const { name } = change
  const before = base ?? { name, ...nothing }
  const tags = changed<Digest>(before.tags, { removed: change.tagsRemoved, added: change.tagsSet })
  const manifests = changed(before.manifests, { removed: change.manifestsRemoved, added: change.manifestsAdded })
  for (const [tag, digest] of tags) {
    if (!manifests.has(digest)) throw new PackRefused(`${name}:${tag} is ${digest}, which is not published with it`)
  }
  return {
    name,
    tags: tags === before.tags ? tags : sorted(tags),
    manifests,
    blobs: changed(before.blobs, { removed: change.blobsRemoved, added: change.blobsAdded }),
    referrers: manifests === before.manifests ? before.referrers : referrersOf(manifests),
  }
}

/** Repositories come out sorted by name. A whole pack needs no base; one of changes any that it spans. Throws PackRefused. */
export function applyPack(base: Publication | undefined, pack: Pack): Publication {
  const { channel, from, to, createdAtMs, smallBlobBytes } = pack.header
  const fits = base ? from > 0 && from <= base.generation && base.generation < to : from === 0
  if (!fits)
    throw new PackRefused(`a pack from generation ${from} to ${to} does not fit on ${base?.generation ?? 'nothing'}`)
  if (base && base.channel !== channel) throw new PackRefused(`a pack of ${channel} does not fit on ${base.channel}`)
  const repositories = new Map(base?.repositories)
  let hasNew = false
  for (const change of pack.repositories) {
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
