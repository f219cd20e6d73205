// The catalogue packs of a generation: what changed, what earlier packs say in fewer files, and now and then all there is.

import { join } from 'node:path'
import { listChangedRepositories, listRepositoriesAt } from '#catalogue/generations.ts'
import type { Digest } from '#oci/digest.ts'
import { type PackRepository, writePack } from '#snapshots/catalogue-pack.ts'
import type { TreeFile } from '#snapshots/tree-contents.ts'
import { type Span, spanPath } from '#snapshots/tree-path.ts'
import { describeRepository } from './describe-repository.ts'
import { extendRuns } from './extend-runs.ts'
import type { PublishStores } from './publish-stores.ts'

const page = 1000

export async function writePacks(
  root: string,
  generation: {
    readonly channel: string
    readonly number: number
    readonly createdAtMs: number
    readonly isBroken: boolean
  },
  before: readonly TreeFile[],
  described: readonly PackRepository[],
  stores: PublishStores,
): Promise<TreeFile[]> {
  const { channel, number, createdAtMs, isBroken } = generation
  const { smallBlobBytes } = stores
  const openBytes = async (digest: Digest) => {
    const body = await stores.blobs.open(digest)
    if (!body) throw new Error(`the bytes of ${digest} are gone: push it again`)
    return body.stream()
  }
  const write = (span: Span, repositories: Iterable<PackRepository> | AsyncIterable<PackRepository>) =>
    writePack(
      join(root, spanPath('pack', span)),
      { channel, ...span, createdAtMs, smallBlobBytes },
      repositories,
      openBytes,
    )
  return await extendRuns(number, before, isBroken, {
    kind: 'pack',
    writeRun: (span) => write(span, described),
    merge: (older, newer) => {
      const span = { from: older.from, to: newer.to }
      return write(span, changedWithin(channel, span, stores))
    },
    writeWhole: (span) => write(span, wholeCatalogue(channel, span.to, stores)),
  })
}

/** Described from the catalogue, not from the packs of the span: one way to make a pack. */
async function* changedWithin(
  channel: string,
  { from, to }: Span,
  { catalogue, smallBlobBytes }: PublishStores,
): AsyncIterable<PackRepository> {
  for (const changed of await listChangedRepositories(catalogue, channel, { after: from, upTo: to })) {
    yield await describeRepository(catalogue, channel, changed, to, smallBlobBytes)
  }
}

export async function* wholeCatalogue(
  channel: string,
  number: number,
  { catalogue, smallBlobBytes }: PublishStores,
): AsyncIterable<PackRepository> {
  for (let after = ''; ; ) {
    const rows = await listRepositoriesAt(catalogue, channel, number, after, page)
    for (const { repositoryId, name, version } of rows) {
      const all = { repositoryId, name, versions: [0, version] }
      yield await describeRepository(catalogue, channel, all, number, smallBlobBytes)
    }
    if (rows.length < page) return
    after = rows.at(-1)!.name
  }
}
