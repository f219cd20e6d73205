// Brings a folder to the generation that a source has. README.md has the order of the steps and what each protects.

import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, writeFileAtomically } from '#kit/atomic-file.ts'
import { FolderBusy, lockFolder } from '#kit/folder-lock.ts'
import { keyPath, type Pointer, pointerPath } from '#snapshots/pointer.ts'
import { isHostName } from '#snapshots/tree-path.ts'
import { encodePublicKey } from '#trust/public-key.ts'
import { copyBlobs } from './copy-blobs.ts'
import { copySpanFiles } from './copy-span-files.ts'
import { startCopying } from './copying.ts'
import { deleteLeftBlobs, deleteLeftSpanFiles } from './delete-left.ts'
import { forgetOtherHeldLists, openReplicaFolder, type ReplicaFolder } from './replica-folder.ts'
import { type ReplicaState, readReplicaState, writeReplicaState } from './replica-state.ts'
import { isDiskFull, ReplicateError } from './replicate-error.ts'
import type { ReplicateOptions, ReplicateTools } from './replicate-options.ts'
import { SourceInterrupted, TreeSource } from './tree-source.ts'
import { chooseKey, type FoundPointer, fetchPointer, readHeldPointer, refuseOlder } from './trust-pointer.ts'
import { hasTrace, writeTrace } from './write-trace.ts'

export type ReplicateResult = {
  readonly outcome: 'unchanged' | 'updated'
  readonly channel: string
  readonly generation: number
  /** What was fetched. */
  readonly files: number
  readonly bytes: number
  /** Blobs that did not have the bytes of their digest and were replaced. */
  readonly damaged: number
  /** Blobs deleted after their grace. */
  readonly deleted: number
  /** Blobs that lie here though no list named them, ever; counted when the files were looked at. */
  readonly strays: number
  /** The pointer is past its expiry: the source may be cut off from the publisher, or hold news back. */
  readonly isExpired: boolean
}

/** Throws ReplicateError with a reason a person can act on; whatever happens, the last complete generation stays. */
export async function replicate(options: ReplicateOptions, tools: ReplicateTools): Promise<ReplicateResult> {
  if (!isHostName(options.name))
    throw new ReplicateError('folder', `not a host name: ${options.name}; give one like mirror.example.org`)
  try {
    const replica = await openReplicaFolder(options.to)
    await using _ = await lockFolder(replica.hidden)
    return await run(replica, options, tools)
  } catch (error) {
    if (tools.stop.aborted)
      throw new ReplicateError('stopped', 'stopped; the next run goes on from here', { cause: error })
    if (error instanceof SourceInterrupted) throw new ReplicateError('source', error.message, { cause: error })
    if (error instanceof FolderBusy) throw new ReplicateError('folder', error.message, { cause: error })
    if (isDiskFull(error)) throw new ReplicateError('disk', `no room in ${options.to}`, { cause: error })
    throw error
  }
}

async function run(replica: ReplicaFolder, options: ReplicateOptions, tools: ReplicateTools): Promise<ReplicateResult> {
  const source = new TreeSource(options, tools.client)
  const state = await readReplicaState(replica.state)
  const key = await chooseKey(replica.folder, options.key, state, source, tools.stop)
  const held = await readHeldPointer(replica.folder, key)
  const mustLook = options.isCheck || options.isPrune || held?.pointer.generation !== state?.complete
  const complete = mustLook ? 0 : (state?.complete ?? 0)

  const etag = complete > 0 && state?.from === source.url ? state.etag : undefined
  const fetched = await fetchPointer(source, key, etag, tools.stop)
  const { pointer } = fetched ?? held!
  refuseOlder(pointer, state)
  refuseOlder(pointer, held && { channel: held.pointer.channel, highest: held.pointer.generation })
  const begun: ReplicaState = {
    format: 1,
    key,
    channel: pointer.channel,
    highest: pointer.generation,
    complete,
    from: source.url,
    etag: fetched ? undefined : etag,
    leftFiles: state?.leftFiles ?? {},
  }
  const ending: Ending = { replica, options, tools, pointer, files: 0, bytes: 0, damaged: 0, strays: 0 }
  if (!fetched) return finish(begun, 'unchanged', ending)
  const finished = { ...begun, complete: pointer.generation, etag: fetched.etag }
  if (complete > 0 && held?.bytes.equals(fetched.bytes)) return finish(finished, 'unchanged', ending)

  await writeReplicaState(replica.state, begun)
  const copying = startCopying(replica, source, options, tools)
  const verified = complete > 0 ? held?.pointer : undefined
  await copySpanFiles('lists', pointer, verified, copying)
  const { damagedFiles, strayFiles } = await copyBlobs(pointer, complete, copying)
  await copySpanFiles('packs', pointer, verified, copying)
  await writeMetadata(replica.folder, encodePublicKey(key), fetched)
  const { files, bytes } = copying.meter
  copying.meter.enter('done', { files: 0, bytes: 0 })
  return finish(finished, 'updated', { ...ending, files, bytes, damaged: damagedFiles, strays: strayFiles })
}

/** The pointer comes after all that it names. */
async function writeMetadata(folder: string, key: string, { bytes }: FoundPointer): Promise<void> {
  await makeFolder(join(folder, 'metadata'))
  await writeFileAtomically(join(folder, keyPath), key)
  await writeFileAtomically(join(folder, pointerPath), bytes)
}

type Ending = Pick<ReplicateResult, 'files' | 'bytes' | 'damaged' | 'strays'> & {
  readonly replica: ReplicaFolder
  readonly options: ReplicateOptions
  readonly tools: ReplicateTools
  readonly pointer: Pointer
}

/** Everything of the pointer is in place: remember it, say so, and only then delete. */
async function finish(
  state: ReplicaState,
  outcome: ReplicateResult['outcome'],
  { replica, options, tools, pointer, ...counts }: Ending,
): Promise<ReplicateResult> {
  const { folder } = replica
  const nowMs = tools.now()
  await writeReplicaState(replica.state, state)
  await forgetOtherHeldLists(replica, pointer.generation)
  if (outcome === 'updated' || !(await hasTrace(folder, options.name))) {
    await writeTrace(folder, options.name, pointer, { nowMs, software: tools.software })
  }
  const { graceMs } = options
  const deleted = await deleteLeftBlobs(replica, nowMs, graceMs)
  const leftFiles = await deleteLeftSpanFiles(folder, pointer, state.leftFiles, { nowMs, graceMs })
  if (JSON.stringify(leftFiles) !== JSON.stringify(state.leftFiles))
    await writeReplicaState(replica.state, { ...state, leftFiles })
  if (outcome === 'updated') {
    for (const name of await readdir(replica.parts)) await rm(join(replica.parts, name), { force: true })
  }
  const { channel, generation, expiresAtMs } = pointer
  const isExpired = expiresAtMs !== undefined && expiresAtMs <= nowMs
  return { outcome, channel, generation, ...counts, deleted, isExpired }
}
