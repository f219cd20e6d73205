// A published tree as its readers find it, checked to the last byte; and the slow twin that says what it ought to be.

import { createReadStream } from 'node:fs'
import { open, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '#blobs/hashing.ts'
import { blobPath, type Digest } from '#oci/digest.ts'
import { isForeign, parseManifest } from '#oci/manifest.ts'
import { applyPack } from '#snapshots/apply-pack.ts'
import { readBlobList } from '#snapshots/blob-list.ts'
import type { PackedBytes } from '#snapshots/packed-table.ts'
import type { Publication } from '#snapshots/publication.ts'
import { readPack } from '#snapshots/read-pack.ts'
import { cheapestChain, filesOf, type TreeContents, type TreeFile, timestampPath } from '#snapshots/tree-contents.ts'
import { readContents } from './read-contents.ts'
import type { ReleaseLine } from './release-line.ts'

async function checkFile(root: string, file: Omit<TreeFile, 'from' | 'to'>): Promise<void> {
  const bytes = await readFile(join(root, file.path))
  const digest = digestOf(bytes)
  if (digest !== file.digest || bytes.length !== file.sizeBytes) throw new Error(`${file.path} is not what was signed`)
}

async function follow(root: string, contents: TreeContents, base: Publication | undefined): Promise<Publication> {
  const chain = cheapestChain(contents.packs, base?.generation ?? 0, contents.generation)
  if (!chain) throw new Error(`no packs lead from ${base?.generation ?? 0} to ${contents.generation}`)
  let publication = base
  for (const file of chain) {
    const pack = await readPack(join(root, file.path))
    publication = await applyPack(pack.header.from === 0 ? undefined : publication, pack)
  }
  return publication!
}

async function listedBlobs(
  root: string,
  contents: TreeContents,
  chain: readonly TreeFile[],
  base: ReadonlyMap<string, string>,
) {
  let blobs = new Map(base)
  for (const file of chain) {
    if (file.from === 0) blobs = new Map()
    const lines = readBlobList(
      createReadStream(join(root, file.path)),
      { channel: contents.channel, from: file.from, to: file.to },
      { maxBytes: 1 << 26 },
    )
    for await (const line of lines) {
      if (line.sign === '-') blobs.delete(line.digest)
      else blobs.set(line.digest, `${line.sizeBytes} since ${line.generation}`)
    }
  }
  return blobs
}

export type TreeReading = {
  readonly contents: TreeContents
  readonly timestampDigest: string
  readonly publication: Publication
  readonly blobs: ReadonlyMap<string, string>
}

/** Reads the whole tree as a newcomer, and once more as one who held `held`; both must agree, and every byte must be right. */
export async function readTree(root: string, held?: TreeReading): Promise<TreeReading> {
  const timestamp = await readFile(join(root, timestampPath))
  const contents = await readContents(root)
  for (const file of filesOf(contents)) await checkFile(root, file)
  const publication = await follow(root, contents, undefined)
  const blobs = await listedBlobs(root, contents, cheapestChain(contents.lists, 0, contents.generation)!, new Map())
  for (const [digest, about] of blobs) {
    const bytes = await readFile(join(root, blobPath(digest as Digest)))
    if (digestOf(bytes) !== digest || !about.startsWith(`${bytes.length} `))
      throw new Error(`${digest} is damaged in the tree`)
  }
  if (held && held.contents.generation < contents.generation) {
    const late = await follow(root, contents, held.publication)
    const [a, b] = [await contentOf(late), await contentOf(publication)]
    if (JSON.stringify(a) !== JSON.stringify(b)) throw new Error('a follower sees another catalogue than a newcomer')
    const chain = cheapestChain(contents.lists, held.contents.generation, contents.generation)!
    const lateBlobs = await listedBlobs(root, contents, chain, held.blobs)
    const sorted = (map: ReadonlyMap<string, string>) => JSON.stringify([...map].sort())
    if (sorted(lateBlobs) !== sorted(blobs)) throw new Error('a follower sees another list than a newcomer')
  }
  return { contents, timestampDigest: digestOf(timestamp), publication, blobs }
}

type Content = Record<
  string,
  { tags: Record<string, string>; manifests: Record<string, string>; blobs: Record<string, string> }
>

async function readPacked({ pack, offset, sizeBytes }: PackedBytes): Promise<Buffer> {
  const handle = await open(pack, 'r')
  try {
    return (await handle.read(Buffer.alloc(sizeBytes), 0, sizeBytes, offset)).buffer
  } finally {
    await handle.close()
  }
}

const sortedEntries = (entries: [string, string][]) => Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))

/** What a front door could answer: tags, manifests byte for byte, and for each blob whether it is packed or in the tree. */
export async function contentOf(publication: Publication): Promise<Content> {
  const content: Content = {}
  for (const [name, repository] of publication.repositories) {
    const manifests: [string, string][] = []
    for (const one of repository.manifests.values()) {
      const bytes = await readPacked(one.bytes)
      if (digestOf(bytes) !== one.digest) throw new Error(`${one.digest} is damaged in its pack`)
      manifests.push([one.digest, `${one.mediaType} ${one.subject ?? ''} ${bytes}`])
    }
    const blobs: [string, string][] = []
    for (const one of repository.blobs.values()) {
      const kept = one.small ? String(await readPacked(one.small)) : `in the tree since ${one.generation}`
      blobs.push([one.digest, `${one.sizeBytes} ${kept}`])
    }
    content[name] = {
      tags: sortedEntries([...repository.tags]),
      manifests: sortedEntries(manifests),
      blobs: sortedEntries(blobs),
    }
  }
  return content
}

/** The slow twin: replays the log of every repository from its first line and reads every manifest from the store. */
export async function expectedContent(line: ReleaseLine, channel: string, generation: number): Promise<Content> {
  const { catalogue, blobs, stores } = line
  const versions = new Map<string, number>()
  const bornIn = new Map<string, number>()
  const content: Content = {}
  const published = await catalogue
    .selectFrom('generation_repositories')
    .innerJoin('repositories', 'repositories.id', 'repository_id')
    .select(['name', 'number', 'version', 'repository_id'])
    .where('channel', '=', channel)
    .where('number', '<=', generation)
    .orderBy('number')
    .orderBy('name')
    .execute()
  for (const { name, number, version, repository_id } of published) {
    const log = await catalogue
      .selectFrom('tag_log')
      .select(['key', 'digest'])
      .where('repository_id', '=', repository_id)
      .where('channel', '=', channel)
      .where('version', '<=', version)
      .orderBy('id')
      .execute()
    const state = new Map<string, string>()
    for (const { key, digest } of log) {
      if (digest === null) state.delete(key)
      else state.set(key, digest)
    }
    const manifests: [string, string][] = []
    const parts = new Map<string, string>()
    for (const [key, digest] of state) {
      if (!key.startsWith('@')) continue
      const bytes = await new Response((await blobs.open(digest as Digest))!.stream()).bytes()
      const manifest = parseManifest(bytes, undefined)
      const text = new TextDecoder().decode(bytes)
      manifests.push([digest, `${manifest.mediaType} ${manifest.subject?.digest ?? ''} ${text}`])
      for (const part of [
        ...(manifest.config ? [manifest.config] : []),
        ...manifest.layers.filter((one) => !isForeign(one)),
      ]) {
        const isSmall = part.size < stores.smallBlobBytes
        if (!isSmall && !bornIn.has(part.digest)) bornIn.set(part.digest, number)
        const kept = isSmall
          ? await new Response((await blobs.open(part.digest))!.stream()).text()
          : `in the tree since ${bornIn.get(part.digest)}`
        parts.set(part.digest, `${part.size} ${kept}`)
      }
    }
    versions.set(name, version)
    content[name] = {
      tags: sortedEntries([...state].filter(([key]) => !key.startsWith('@'))),
      manifests: sortedEntries(manifests),
      blobs: sortedEntries([...parts]),
    }
  }
  return Object.fromEntries(Object.entries(content).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Of the large blobs that a content names: what the list of its generation must hold, and nothing else. */
export function expectedBlobs(contents: readonly Content[]): Map<string, string> {
  const blobs = new Map<string, string>()
  for (const content of contents) {
    for (const repository of Object.values(content)) {
      for (const [digest, about] of Object.entries(repository.blobs)) {
        const match = /^(\d+) in the tree since (\d+)$/.exec(about)
        if (match && !blobs.has(digest)) blobs.set(digest, `${match[1]} since ${match[2]}`)
      }
    }
  }
  return new Map([...blobs].sort(([a], [b]) => (a < b ? -1 : 1)))
}

export async function linksOf(path: string): Promise<number> {
  return (await stat(path)).nlink
}
