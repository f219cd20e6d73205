// Writes generation N of a channel: blobs, list, pack, and last of all the signed pointer. Everything before the pointer is invisible,
// and everything is written again to the same bytes when a crash came between.

import { join } from 'node:path'
import { emit } from '#catalogue/events.ts'
import {
  addTreeBlobs,
  type ChangedRepository,
  findTreeBlobs,
  listChangedRepositories,
  listRepositoriesAt,
  listTreeBlobs,
  markPublished,
  type TreeBlob,
} from '#catalogue/generations.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { makeFolder, writeFileAtomically } from '#kit/atomic-file.ts'
import { blobPath, type Digest } from '#oci/digest.ts'
import { type BlobListLine, writeBlobList } from '#snapshots/blob-list.ts'
import { type PackRepository, writePack } from '#snapshots/catalogue-pack.ts'
import { encodePointer, keyPath, pointerPath, pointerRole, sealPointer, type TreeFile } from '#snapshots/pointer.ts'
import { encodePublicKey } from '#trust/public-key.ts'
import { needsCheckpoint, treeFile, withFiles } from './checkpoints.ts'
import { describeRepository } from './describe-repository.ts'
import type { PublishStores } from './publish-stores.ts'
import { startGeneration } from './start-generation.ts'

export type Summary = {
  readonly repositoriesChanged: number
  readonly blobsAdded: number
  readonly bytesAdded: number
  readonly blobsCopied: number
  readonly lists: readonly TreeFile[]
  readonly packs: readonly TreeFile[]
}

export type Published = {
  readonly channel: string
  readonly generation: number
  readonly isNew: boolean
  readonly summary: Summary | undefined
}

export type PublishControl = {
  readonly signal: AbortSignal
  progress(value: { done: number; total: number; what: string }): void
}

const page = 1000

export async function renderGeneration(
  channel: string,
  about: { actor: string; reason?: string | undefined },
  stores: PublishStores,
  control: PublishControl,
): Promise<Published> {
  const started = await startGeneration(channel, about, stores)
  if (!started)
    return { channel, generation: await latestNumber(stores.catalogue, channel), isNew: false, summary: undefined }
  const { generation, before } = started
  const number = generation.number
  const root = stores.treeOf(channel)
  for (const folder of ['blobs', 'lists', 'catalogue', 'metadata', 'trace']) await makeFolder(join(root, folder))

  const changed = await listChangedRepositories(stores.catalogue, channel, number)
  const described = await Promise.all(
    changed.map((span) => describeRepository(stores.catalogue, channel, span, number, stores.smallBlobBytes)),
  )
  const { added, copied } = await placeBlobs(root, channel, described, number, stores, control)
  const past = before?.summary as Summary | undefined
  const lists = await writeLists(root, channel, number, past?.lists ?? [], added, stores)
  const packs = await writePacks(root, channel, generation, past?.packs ?? [], described, stores)
  control.signal.throwIfAborted()
  await writePointer(root, { channel, number, createdAtMs: generation.createdAtMs, lists, packs }, stores)

  const summary: Summary = {
    repositoriesChanged: changed.length,
    blobsAdded: added.length,
    bytesAdded: added.reduce((sum, blob) => sum + blob.sizeBytes, 0),
    blobsCopied: copied,
    lists,
    packs,
  }
  await stores.catalogue.transaction().execute(async (tx) => {
    const atMs = stores.now()
    await addTreeBlobs(tx, channel, added)
    await markPublished(tx, channel, number, summary, atMs)
    await emit(tx, {
      type: 'generation.published',
      subject: `${channel}/${number}`,
      data: {
        channel,
        generation: number,
        repositoriesChanged: changed.length,
        blobsAdded: added.length,
        bytesAdded: summary.bytesAdded,
      },
      atMs,
    })
  })
  return { channel, generation: number, isNew: true, summary }
}

async function latestNumber(catalogue: Catalogue, channel: string): Promise<number> {
  const row = await catalogue
    .selectFrom('generations')
    .select((select) => select.fn.max('number').as('number'))
    .where('channel', '=', channel)
    .executeTakeFirst()
  return Number(row?.number ?? 0)
}

/** Links every blob that the tree lacks. One that is damaged in the store stops the publication: it must not travel. */
async function placeBlobs(
  root: string,
  channel: string,
  described: readonly PackRepository[],
  number: number,
  stores: PublishStores,
  control: PublishControl,
): Promise<{ added: TreeBlob[]; copied: number }> {
  const wanted = new Map<Digest, number>()
  for (const repository of described) {
    for (const blob of repository.blobsAdded ?? []) {
      if (blob.sizeBytes >= stores.smallBlobBytes) wanted.set(blob.digest, blob.sizeBytes)
    }
  }
  const present = await findTreeBlobs(stores.catalogue, channel, [...wanted.keys()])
  const added: TreeBlob[] = []
  let copied = 0
  for (const [digest, sizeBytes] of [...wanted].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (present.has(digest)) continue
    control.signal.throwIfAborted()
    const stat = await stores.blobs.stat(digest)
    if (stat?.sizeBytes !== sizeBytes)
      throw new Error(
        `blob ${digest} should have ${sizeBytes} bytes and ${stat ? `has ${stat.sizeBytes}` : 'is gone'}: push it again`,
      )
    if ((await stores.blobs.place(digest, join(root, blobPath(digest)))) === 'copied') copied++
    added.push({ digest, sizeBytes, generation: number })
    control.progress({ done: added.length, total: wanted.size - present.size, what: 'blobs' })
  }
  return { added, copied }
}

async function writeLists(
  root: string,
  channel: string,
  number: number,
  before: readonly TreeFile[],
  added: readonly TreeBlob[],
  { catalogue }: PublishStores,
): Promise<TreeFile[]> {
  const files: TreeFile[] = []
  if (number > 1) {
    const header = { channel, from: number - 1, to: number, count: added.length }
    const written = await writeBlobList(
      join(root, `lists/${number - 1}-${number}.gz`),
      header,
      added.map((blob) => ({ ...blob, sign: '+' as const })),
    )
    files.push(treeFile('list', number - 1, number, written))
  }
  if (needsCheckpoint([...before, ...files])) {
    const count = (await countTreeBlobs(catalogue, channel)) + added.length
    const written = await writeBlobList(
      join(root, `lists/${number}.gz`),
      { channel, from: 0, to: number, count },
      wholeList(catalogue, channel, added),
    )
    files.push(treeFile('list', 0, number, written))
  }
  return withFiles(before, files)
}

async function countTreeBlobs(catalogue: Catalogue, channel: string): Promise<number> {
  const row = await catalogue
    .selectFrom('tree_blobs')
    .select((select) => select.fn.countAll().as('count'))
    .where('channel', '=', channel)
    .executeTakeFirstOrThrow()
  return Number(row.count)
}

/** What the tree carried before and what comes now, merged in order of digest. */
async function* wholeList(
  catalogue: Catalogue,
  channel: string,
  added: readonly TreeBlob[],
): AsyncIterable<BlobListLine> {
  let next = 0
  for (let after = ''; ; ) {
    const rows = await listTreeBlobs(catalogue, channel, after, page)
    for (const row of rows) {
      while (next < added.length && added[next]!.digest < row.digest) yield { ...added[next++]!, sign: '' }
      yield { ...row, sign: '' }
    }
    if (rows.length < page) break
    after = rows.at(-1)!.digest
  }
  while (next < added.length) yield { ...added[next++]!, sign: '' }
}

async function writePacks(
  root: string,
  channel: string,
  generation: { number: number; createdAtMs: number },
  before: readonly TreeFile[],
  described: readonly PackRepository[],
  stores: PublishStores,
): Promise<TreeFile[]> {
  const { number, createdAtMs } = generation
  const files: TreeFile[] = []
  const header = { channel, to: number, createdAtMs, smallBlobBytes: stores.smallBlobBytes }
  const openBytes = async (digest: Digest) => {
    const body = await stores.blobs.open(digest)
    if (!body) throw new Error(`the bytes of ${digest} are gone: push it again`)
    return body.stream()
  }
  if (number > 1) {
    const written = await writePack(
      join(root, `catalogue/${number - 1}-${number}.pack`),
      { ...header, from: number - 1 },
      described,
      openBytes,
    )
    files.push(treeFile('pack', number - 1, number, written))
  }
  if (needsCheckpoint([...before, ...files])) {
    const written = await writePack(
      join(root, `catalogue/${number}.pack`),
      { ...header, from: 0 },
      wholeCatalogue(channel, number, stores),
      openBytes,
    )
    files.push(treeFile('pack', 0, number, written))
  }
  return withFiles(before, files)
}

async function* wholeCatalogue(
  channel: string,
  number: number,
  { catalogue, smallBlobBytes }: PublishStores,
): AsyncIterable<PackRepository> {
  for (let after = ''; ; ) {
    const rows = await listRepositoriesAt(catalogue, channel, number, after, page)
    for (const { repositoryId, name, version } of rows) {
      const span: ChangedRepository = { repositoryId, name, from: 0, to: version }
      yield await describeRepository(catalogue, channel, span, number, smallBlobBytes)
    }
    if (rows.length < page) return
    after = rows.at(-1)!.name
  }
}

async function writePointer(
  root: string,
  about: {
    channel: string
    number: number
    createdAtMs: number
    lists: readonly TreeFile[]
    packs: readonly TreeFile[]
  },
  { signer }: PublishStores,
): Promise<void> {
  const { channel, number, createdAtMs, lists, packs } = about
  const signed = encodePointer({
    format: 1,
    channel,
    generation: number,
    createdAtMs,
    expiresAtMs: undefined,
    lists,
    packs,
  })
  const signature = await signer.sign(pointerRole(channel), number, signed)
  await writeFileAtomically(
    join(root, keyPath),
    async (file) => void (await file.writeFile(encodePublicKey(signer.publicKey))),
  )
  await writeFileAtomically(
    join(root, pointerPath),
    async (file) => void (await file.writeFile(sealPointer(signed, [signature]))),
  )
}
