// A copy of a tree and, hidden from whoever serves or copies it on, what its keeper needs:
//
//   <folder>/.replicate/state.json      highest generation, complete generation, what was verified
//                       trust/          the newest roots and metadata that were verified
//                       held-<n>.gz     the list of all blobs at the complete generation
//                       todo            blobs that this run still has to fetch
//                       left            blobs that left the list, and when; deleted after the grace
//                       parts/          unfinished files by their digest
//                       lock, lock.pid  one run at a time

import { createReadStream } from 'node:fs'
import { lstat, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, publicFolderMode, syncFolder } from '#kit/atomic-file.ts'
import { type Digest, digestAlgorithms, parseDigest } from '#oci/digest.ts'
import { type BlobListLine, BlobListRefused, readBlobList } from '#snapshots/blob-list.ts'
import { parseTreePath } from '#snapshots/tree-path.ts'
import { ReplicateError } from './replicate-error.ts'

export type ReplicaFolder = {
  readonly folder: string
  readonly hidden: string
  readonly state: string
  readonly trust: string
  readonly todo: string
  readonly left: string
  readonly parts: string
}

const privateFolderMode = 0o700
/** A list line packs to no less than half the bytes of its digest. */
const unpackedPerByte = 20
const spareBytes = 1 << 20

export async function openReplicaFolder(folder: string): Promise<ReplicaFolder> {
  const hidden = join(folder, '.replicate')
  await refuseForeign(folder)
  const parts = join(hidden, 'parts')
  await makeFolder(folder, publicFolderMode)
  await makeFolder(hidden, privateFolderMode)
  await makeFolder(parts, privateFolderMode)
  const inHidden = (name: string) => join(hidden, name)
  const notes = { state: inHidden('state.json'), todo: inHidden('todo'), left: inHidden('left') }
  return { folder, hidden, parts, trust: inHidden('trust'), ...notes }
}

const treeFolders = ['blobs', 'catalogue', 'lists', 'metadata', 'trace']
const mostNamed = 3

/** A slip of the pen in `--to` must not mix a tree into /etc or a home. Plain files, as robots.txt, may lie beside a tree. */
async function refuseForeign(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const names = new Set(entries.map(({ name }) => name))
  if (names.has('.replicate')) return
  const isForeign = (name: string) => !treeFolders.includes(name) && name !== 'lost+found' && !name.startsWith('.')
  const foreign = entries.filter((entry) => entry.isDirectory() && isForeign(entry.name)).map(({ name }) => name)
  if (foreign.length === 0) return
  const named = `${foreign.toSorted().slice(0, mostNamed).join(', ')}${foreign.length > mostNamed ? ', ...' : ''}`
  const advice = `give a folder of its own; if it is meant so: mkdir ${join(folder, '.replicate')}`
  throw new ReplicateError('folder', `${folder} is no copy and holds other folders (${named}): ${advice}`)
}

export function heldListPath({ hidden }: ReplicaFolder, generation: number): string {
  return join(hidden, `held-${generation}.gz`)
}

/** The newest generation of which a list lies here, or 0: a run may have been cut off before it showed that one. */
export async function findHeldGeneration({ hidden }: ReplicaFolder): Promise<number> {
  const numbers = (await namesIn(hidden)).map((name) => Number(/^held-([1-9][0-9]{0,14})\.gz$/.exec(name)?.[1] ?? 0))
  return Math.max(0, ...numbers)
}

export async function hasHeldList({ hidden }: ReplicaFolder, generation: number): Promise<boolean> {
  return (await namesIn(hidden)).includes(`held-${generation}.gz`)
}

export type ListSpan = { readonly channel: string; readonly from: number; readonly to: number }

export async function* readListFile(path: string, span: ListSpan): AsyncGenerator<BlobListLine> {
  try {
    const { size } = await lstat(path)
    yield* readBlobList(createReadStream(path), span, { maxBytes: spareBytes + size * unpackedPerByte })
  } catch (error) {
    if (!(error instanceof BlobListRefused)) throw error
    throw new ReplicateError('source', `${path}: ${error.message}`, { cause: error })
  }
}

export async function* readHeldList(
  replica: ReplicaFolder,
  channel: string,
  generation: number,
): AsyncGenerator<BlobListLine> {
  const path = heldListPath(replica, generation)
  try {
    yield* readListFile(path, { channel, from: 0, to: generation })
  } catch (error) {
    if (!(error instanceof ReplicateError)) throw error
    throw new ReplicateError('folder', `${path} is damaged; remove it`, { cause: error })
  }
}

/** All blobs that lie in the folder, sorted by digest; whether they are right is not looked at. */
export async function* walkBlobs(folder: string): AsyncGenerator<{ readonly digest: Digest }> {
  for (const algorithm of digestAlgorithms) {
    const top = join(folder, 'blobs', algorithm)
    for (const prefix of await namesIn(top)) {
      for (const name of await namesIn(join(top, prefix))) {
        const digest = parseDigest(`${algorithm}:${name}`)
        if (digest && name.startsWith(prefix) && prefix.length === 2) yield { digest }
      }
    }
  }
}

/** The paths of all lists, packs and metadata that lie in the folder. */
export async function listTreeFiles(folder: string): Promise<string[]> {
  const paths: string[] = []
  for (const top of ['lists', 'catalogue', 'metadata']) {
    for (const name of await namesIn(join(folder, top))) {
      if (parseTreePath(`${top}/${name}`)) paths.push(`${top}/${name}`)
    }
  }
  return paths
}

/** What was renamed into these folders lasts from here on. */
export async function syncBlobFolders(folder: string): Promise<void> {
  for (const algorithm of digestAlgorithms) {
    const top = join(folder, 'blobs', algorithm)
    for (const prefix of await namesIn(top)) await syncFolder(join(top, prefix))
  }
}

export async function forgetOtherHeldLists(replica: ReplicaFolder, generation: number): Promise<void> {
  const kept = `held-${generation}.gz`
  const others = (await namesIn(replica.hidden)).filter((name) => name.startsWith('held-') && name !== kept)
  for (const name of others) await rm(join(replica.hidden, name), { force: true })
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw error
  }
}
