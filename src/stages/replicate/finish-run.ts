// Everything of the generation is in place: remember it, say so, and only then delete.

import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { filesOf, type TreeContents, timestampPath } from '#snapshots/tree-contents.ts'
import type { Checked } from './check-disk.ts'
import { deleteDueBlobs, deleteLeftFiles } from './delete-left.ts'
import { forgetOtherHeldLists, listTreeFiles, type ReplicaFolder } from './replica-folder.ts'
import { type PartialCopy, type ReplicaState, writeReplicaState } from './replica-state.ts'
import type { ReplicateOptions, ReplicateTools } from './replicate-options.ts'
import type { Liar } from './tree-sources.ts'
import { readTrace, writeTrace } from './write-trace.ts'

export type ReplicateResult = {
  /** refreshed: only the metadata are new. */
  readonly outcome: 'unchanged' | 'refreshed' | 'updated'
  readonly channel: string
  readonly generation: number
  /** What sources know this copy by. */
  readonly replica: string
  /** What was fetched. */
  readonly files: number
  readonly bytes: number
  /** Files that did not have the bytes of their digest and were replaced. */
  readonly damaged: number
  /** What the reading of the disk found, where it was asked for. */
  readonly checked?: Checked
  /** Blobs deleted after their grace. */
  readonly deleted: number
  /** Blobs that lie here though no list named them, ever; counted when the files were looked at. */
  readonly strays: number
  /** Who sent bytes that are not what they should be. */
  readonly liars: readonly Liar[]
  /** Sources that could not be followed, while another could. */
  readonly warnings: readonly string[]
  /** The root that was believed because nobody had given one: sha256, to compare by eye. */
  readonly believed: string | undefined
  /** What was selected, where the copy is not whole. */
  readonly partial: PartialCopy | undefined
}

export type FinishedRun = Omit<ReplicateResult, 'channel' | 'generation' | 'replica' | 'deleted' | 'partial'> & {
  readonly replica: ReplicaFolder
  readonly options: ReplicateOptions
  readonly tools: ReplicateTools
  readonly contents: TreeContents
}

export async function finishRun(
  state: ReplicaState,
  { replica, options, tools, contents, ...told }: FinishedRun,
): Promise<{ readonly result: ReplicateResult; readonly left: ReplicaState['left'] }> {
  const { folder } = replica
  const { channel, generation } = contents
  const nowMs = tools.now()
  await writeReplicaState(replica.state, state)
  await forgetOtherHeldLists(replica, generation)
  const before = await readTrace(folder, options.name)
  const { partial } = state
  const isSaid = before?.generation === generation && before.channel === channel
  if (told.outcome === 'updated' || !isSaid || !isDeepStrictEqual(before.partial, partial))
    await writeTrace(folder, options.name, contents, { nowMs, software: tools.software, partial })
  const times = { nowMs, graceMs: options.graceMs }
  const deleted = await deleteDueBlobs(replica, times)
  const named = new Set([...filesOf(contents).map((file) => file.path), ...(await namedMetadata(folder))])
  const left = await deleteLeftFiles(folder, named, state.left, times)
  if (JSON.stringify(left) !== JSON.stringify(state.left)) await writeReplicaState(replica.state, { ...state, left })
  if (told.outcome === 'updated' || told.damaged > 0)
    for (const name of await readdir(replica.parts)) await rm(join(replica.parts, name), { force: true })
  return { result: { channel, generation, replica: state.replica, ...told, deleted, partial }, left }
}

/** The metadata that belong to what the copy shows: the timestamp, what it leads to, and every root. */
async function namedMetadata(folder: string): Promise<string[]> {
  const versionIn = async (path: string, name: string) => {
    const { signed } = JSON.parse(await readFile(join(folder, path), 'utf8'))
    return Number(signed.meta[name].version)
  }
  const snapshot = `metadata/${await versionIn(timestampPath, 'snapshot.json')}.snapshot.json`
  const targets = `metadata/${await versionIn(snapshot, 'targets.json')}.targets.json`
  const roots = (await listTreeFiles(folder)).filter((path) => /^metadata\/[0-9]+\.root\.json$/.test(path))
  return [timestampPath, snapshot, targets, ...roots]
}
