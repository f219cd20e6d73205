// The catalogue packs of a generation: what changed, what becomes one pack of it, and at a checkpoint all there is.

import { join } from 'node:path'
import { findGeneration, listChangedRepositories, listRepositoriesAt } from '#catalogue/generations.ts'
import type { Digest } from '#oci/digest.ts'
import { type PackRepository, writePack } from '#snapshots/catalogue-pack.ts'
import { type TreeFile, treeFile } from '#snapshots/tree-contents.ts'
import { type Span, spanPath } from '#snapshots/tree-path.ts'
import { describeRepository } from './describe-repository.ts'
import type { PublishStores } from './publish-stores.ts'
import { writeRuns } from './write-runs.ts'

const page = 1000

type PackedAs = { readonly createdAtMs: number; readonly smallBlobBytes: number }
type Repositories = Iterable<PackRepository> | AsyncIterable<PackRepository>

export async function writePacks(
  root: string,
  { channel, number, createdAtMs }: { channel: string; number: number; createdAtMs: number },
  before: readonly TreeFile[] | undefined,
  described: Iterable<PackRepository>,
  stores: PublishStores,
): Promise<TreeFile[]> {
  const { catalogue, blobs } = stores
  const openBytes = async (digest: Digest) => {
    const body = await blobs.open(digest)
    if (!body) throw new Error(`the bytes of ${digest} are gone: push it again`)
    return body.stream()
  }
  const write = async (span: Span, { createdAtMs, smallBlobBytes }: PackedAs, repositories: Repositories) => {
    const header = { channel, ...span, createdAtMs, smallBlobBytes }
    return treeFile('pack', span, await writePack(join(root, spanPath('pack', span)), header, repositories, openBytes))
  }
  const now: PackedAs = { createdAtMs, smallBlobBytes: stores.smallBlobBytes }
  return await writeRuns(before, {
    change: () => write({ from: number - 1, to: number }, now, described),
    async merge(_, span) {
      // As it was published then: of what became large or small since, nothing was known at its end.
      const { createdAtMs, summary } = (await findGeneration(catalogue, channel, span.to))!
      const then = { createdAtMs, smallBlobBytes: (summary as PackedAs).smallBlobBytes }
      return await write(span, then, describeSpan(channel, span, { ...stores, ...then }))
    },
    checkpoint: () => write({ from: 0, to: number }, now, wholeCatalogue(channel, number, stores)),
  })
}

/** What the generations of the span changed, as the last of them has it. */
export async function* describeSpan(
  channel: string,
  span: Span,
  { catalogue, smallBlobBytes }: PublishStores,
): AsyncIterable<PackRepository> {
  for (let after = ''; ; ) {
    const rows = await listChangedRepositories(catalogue, channel, span, after, page)
    for (const row of rows) yield await describeRepository(catalogue, channel, row, span.to, smallBlobBytes)
    if (rows.length < page) return
    after = rows.at(-1)!.name
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
      const whole = { repositoryId, name, versions: [0, version] }
      yield await describeRepository(catalogue, channel, whole, number, smallBlobBytes)
    }
    if (rows.length < page) return
    after = rows.at(-1)!.name
  }
}
