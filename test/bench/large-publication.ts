// A publication of the size that we mean to serve, as packs: 1,000,000 blobs and 200,000 manifests, and small ones that lead on from it.
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { blobPath, type Digest } from '#oci/digest.ts'
import { mediaTypes } from '#oci/media-type.ts'
import type { RepositoryName, Tag } from '#oci/name.ts'
import { type PackRepository, writePack } from '#snapshots/catalogue-pack.ts'
import { digestOf } from '../kit/front-door.ts'

const repositoryCount = 2000
const tagCount = 100
const blobsPerTag = 5
/** So that as many as are asked for a second do not fill every host: then all of them would be looked at for every request. */
const layerBytes = 66_000
/** The generation of the whole pack; every one after it changes so many repositories. */
export const firstGeneration = 1000
const changedRepositories = 40

export type LargePublication = {
  /** The whole one, and then a pack for each generation that followed. */
  readonly packs: readonly string[]
  /** Some of each repository, as `/v2/…`. */
  readonly blobPaths: readonly string[]
  readonly manifests: readonly { readonly path: string; readonly bytes: Uint8Array }[]
  /** A layer of 100 MiB that lies in `folder`, as in any tree. */
  readonly large: { readonly digest: Digest; readonly path: string }
}

const largeBytes = 100 * 1024 * 1024

const payloads = new Map<Digest, Uint8Array>()

function makeManifest() {
  const layers = Array.from({ length: blobsPerTag }, () => digestOf(randomBytes(16)))
  const bytes = Buffer.from(JSON.stringify({ layers, padding: randomBytes(400).toString('hex') }))
  const digest = digestOf(bytes)
  payloads.set(digest, bytes)
  return { digest, sizeBytes: bytes.length, layers }
}

function makeRepository(i: number, tags: readonly string[], generation: number): PackRepository {
  const made = tags.map((tag) => ({ tag: tag as Tag, ...makeManifest() }))
  return {
    name: `fedora/image-${i}` as RepositoryName,
    tagsSet: made.map(({ tag, digest }) => [tag, digest] as const),
    manifestsAdded: made.map(({ digest, sizeBytes }) => ({ digest, sizeBytes, mediaType: mediaTypes.ociManifest })),
    blobsAdded: made.flatMap(({ layers }) =>
      layers.map((digest) => ({ digest, sizeBytes: layerBytes, generation: Math.max(1, generation) })),
    ),
  }
}

async function* openBytes(digest: Digest): AsyncGenerator<Uint8Array> {
  yield payloads.get(digest)!
}

export async function makeLargePublication(folder: string, following = 0): Promise<LargePublication> {
  const tags = Array.from({ length: tagCount }, (_, i) => `43.${i}`)
  const repositories = Array.from({ length: repositoryCount }, (_, i) => makeRepository(i, tags, i % firstGeneration))
  const large = digestOf('a large layer')
  await mkdir(dirname(join(folder, blobPath(large))), { recursive: true })
  await writeFile(join(folder, blobPath(large)), Buffer.alloc(largeBytes, 'a large layer '))
  repositories.push({
    name: 'bench/large' as RepositoryName,
    blobsAdded: [{ digest: large, sizeBytes: largeBytes, generation: 1 }],
  })
  const header = { channel: 'bench', createdAtMs: 0, smallBlobBytes: 65_536 }
  const packs = [join(folder, `${firstGeneration}.pack`)]
  await writePack(packs[0]!, { ...header, from: 0, to: firstGeneration }, repositories, openBytes)
  for (let to = firstGeneration + 1; to <= firstGeneration + following; to++) {
    const changed = Array.from({ length: changedRepositories }, (_, i) =>
      makeRepository((to * 97 + i) % repositoryCount, ['latest', `44.${to}`], to),
    )
    const path = join(folder, `${to}.pack`)
    await writePack(path, { ...header, from: to - 1, to }, changed, openBytes)
    packs.push(path)
  }
  const some = <T>(list: Iterable<T> | undefined) => [...(list ?? [])].slice(0, 4)
  return {
    packs,
    large: { digest: large, path: `/v2/bench/large/blobs/${large}` },
    blobPaths: repositories
      .slice(0, repositoryCount)
      .flatMap(({ name, blobsAdded }) => some(blobsAdded).map(({ digest }) => `/v2/${name}/blobs/${digest}`)),
    manifests: repositories.flatMap(({ name, tagsSet }) =>
      some(tagsSet).map(([tag, digest]) => ({ path: `/v2/${name}/manifests/${tag}`, bytes: payloads.get(digest)! })),
    ),
  }
}
