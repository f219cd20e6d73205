// The blobs that some repositories, or some platforms of their images, are made of: by the catalogue packs that lie in the copy.

import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Digest } from '#oci/digest.ts'
import { type Manifest, parseManifest } from '#oci/manifest.ts'
import { applyPack } from '#snapshots/apply-pack.ts'
import type { PackedBytes } from '#snapshots/packed-table.ts'
import type { Publication, PublishedRepository } from '#snapshots/publication.ts'
import { readPack, readPackDefaults } from '#snapshots/read-pack.ts'
import { cheapestChain, type TreeContents } from '#snapshots/tree-contents.ts'
import { matchesGlob, matchesPlatform, type NamedPlatform } from './selection.ts'

export type NamedBlobs = {
  readonly digests: ReadonlySet<Digest>
  /** What matched nothing, in words. */
  readonly unmatched: readonly string[]
}

export type Wanted = { readonly repositories: readonly string[]; readonly platforms: readonly string[] }

/** The packs were verified by their digests when they came. */
export async function findNamedBlobs(folder: string, contents: TreeContents, wanted: Wanted): Promise<NamedBlobs> {
  const publication = await readPublication(folder, contents)
  const { repositories, platforms } = wanted
  const isNamed = (name: string) => repositories.length === 0 || repositories.some((glob) => matchesGlob(name, glob))
  const chosen = [...publication.repositories.values()].filter(({ name }) => isNamed(name))
  const digests = new Set<Digest>()
  const seenPlatforms = new Set<string>()
  await using bytes = new PackReader()
  for (const repository of chosen) {
    if (platforms.length === 0) for (const blob of repository.blobs.values()) digests.add(blob.digest)
    else await addOfPlatforms(repository, { platforms, seenPlatforms, digests, bytes })
  }
  const names = [...publication.repositories.keys()]
  const unmatched = [
    ...repositories
      .filter((glob) => !names.some((name) => matchesGlob(name, glob)))
      .map((glob) => `no repository is like ${glob}`),
    ...platforms.filter((one) => !seenPlatforms.has(one)).map((one) => `no image is of platform ${one}`),
  ]
  return { digests, unmatched }
}

async function readPublication(folder: string, { packs, generation }: TreeContents): Promise<Publication> {
  let publication: Publication | undefined
  for (const { path } of cheapestChain(packs, 0, generation)!) {
    const pack = await readPack(join(folder, path), { ...readPackDefaults, verifyPayload: false })
    publication = await applyPack(pack.header.from === 0 ? undefined : publication, pack)
  }
  return publication!
}

type PlatformSearch = {
  readonly platforms: readonly string[]
  readonly seenPlatforms: Set<string>
  readonly digests: Set<Digest>
  readonly bytes: PackReader
}

/** An image counts by the index that names it, one that no index names by its config; what refers to it comes with it. */
async function addOfPlatforms(repository: PublishedRepository, search: PlatformSearch): Promise<void> {
  const manifests = new Map<string, Manifest>()
  for (const one of repository.manifests.values()) {
    manifests.set(one.digest, parseManifest(await search.bytes.read(one.bytes), one.mediaType))
  }
  const platformsOf = new Map<string, (NamedPlatform | undefined)[]>()
  for (const { children } of manifests.values()) {
    for (const { digest, platform } of children) {
      const known = platformsOf.get(digest)
      if (known) known.push(platform)
      else platformsOf.set(digest, [platform])
    }
  }
  const isWanted = async (digest: string, depth: number): Promise<boolean> => {
    const manifest = manifests.get(digest)
    if (!manifest || depth > 8) return true
    const named = platformsOf.get(digest)
    if (named) return named.some((one) => matchesAny(one, search))
    if (manifest.subject) return isWanted(manifest.subject.digest, depth + 1)
    if (manifest.children.length > 0 || !manifest.config) return true
    return matchesAny(await configPlatform(repository, manifest.config.digest, search.bytes), search)
  }
  for (const [digest, { config, layers }] of manifests) {
    if (!(await isWanted(digest, 0))) continue
    for (const part of [...(config ? [config] : []), ...layers]) search.digests.add(part.digest)
  }
}

/** What says no platform (an attestation, an artifact) is of every one: it is small, and lost if it is left out. */
function matchesAny(platform: NamedPlatform | undefined, { platforms, seenPlatforms }: PlatformSearch): boolean {
  if (!platform || platform.os === 'unknown') return true
  const choice = platforms.find((one) => matchesPlatform(platform, one))
  if (choice !== undefined) seenPlatforms.add(choice)
  return choice !== undefined
}

async function configPlatform(
  repository: PublishedRepository,
  digest: Digest,
  bytes: PackReader,
): Promise<NamedPlatform | undefined> {
  const small = repository.blobs.get(digest)?.small
  if (!small) return undefined
  try {
    const { os, architecture, variant } = JSON.parse((await bytes.read(small)).toString())
    return typeof os === 'string' && typeof architecture === 'string' ? { os, architecture, variant } : undefined
  } catch {
    return undefined
  }
}

/** Keeps the packs open that it read from: there are few. */
class PackReader implements AsyncDisposable {
  readonly #handles = new Map<string, FileHandle>()

  async read({ pack, offset, sizeBytes }: PackedBytes): Promise<Buffer> {
    const handle = this.#handles.get(pack) ?? (await open(pack, 'r'))
    this.#handles.set(pack, handle)
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(sizeBytes), 0, sizeBytes, offset)
    if (bytesRead !== sizeBytes) throw new Error(`${pack} ended early`)
    return buffer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const handle of this.#handles.values()) await handle.close()
  }
}
