// Brings a folder to the generation that a source has. README.md has the order of the steps and what each protects.

import { randomBytes } from 'node:crypto'
import { FolderBusy, lockFolder } from '#kit/folder-lock.ts'
import { isHostName } from '#snapshots/tree-path.ts'
import { copyBlobs } from './copy-blobs.ts'
import { copyNamedFiles, namedFiles } from './copy-named-files.ts'
import { startCopying } from './copying.ts'
import { type FinishedRun, finishRun, type ReplicateResult } from './finish-run.ts'
import { type Followed, followChain, shownTimestamp, writeMetadata } from './follow-chain.ts'
import { openReplicaFolder, type ReplicaFolder } from './replica-folder.ts'
import { type ReplicaState, readReplicaState, writeReplicaState } from './replica-state.ts'
import { isDiskFull, ReplicateError } from './replicate-error.ts'
import type { ReplicateOptions, ReplicateTools } from './replicate-options.ts'
import { SourceInterrupted, TreeSource } from './tree-source.ts'

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
    if (error instanceof FolderBusy) throw new ReplicateError('busy', error.message, { cause: error })
    if (isDiskFull(error)) throw new ReplicateError('disk', `no room in ${options.to}`, { cause: error })
    throw error
  }
}

async function run(replica: ReplicaFolder, options: ReplicateOptions, tools: ReplicateTools): Promise<ReplicateResult> {
  const source = new TreeSource(options, tools.client)
  const state = await readReplicaState(replica.state)
  const shown = await shownTimestamp(replica.folder)
  const mustLook = options.isCheck || options.isPrune || shown === undefined || shown !== state?.shown?.timestamp
  const complete = mustLook ? 0 : (state?.complete ?? 0)

  const { root } = options
  const followed = await followChain(source, { replica, root, state, nowMs: tools.now(), stop: tools.stop })
  const { contents, targets, timestamp, believed } = followed
  const { channel, generation } = contents
  const begun: ReplicaState = {
    format: 2,
    replica: state?.replica ?? randomBytes(16).toString('hex'),
    channel,
    highest: generation,
    complete,
    shown: mustLook ? undefined : state?.shown,
    from: source.url,
    etag: followed.etag,
    files: mustLook ? {} : (state?.files ?? {}),
    left: state?.left ?? {},
  }
  const ending = { replica, options, tools, contents, believed }
  const nothing = { files: 0, bytes: 0, damaged: 0, strays: 0 }
  const isShown = state?.shown?.timestamp === timestamp && state.shown.rootVersion === targets.rootVersion
  if (complete === generation && isShown) return finishRun(begun, { ...ending, ...nothing, outcome: 'unchanged' })

  await writeReplicaState(replica.state, begun)
  const copying = startCopying(replica, source, options, tools)
  await copyNamedFiles('lists', contents, begun.files, copying)
  const { damagedFiles, strayFiles } =
    complete === generation ? { damagedFiles: 0, strayFiles: 0 } : await copyBlobs(contents, complete, copying)
  await copyNamedFiles('packs', contents, begun.files, copying)
  await writeMetadata(replica.folder, await followed.collectMetadata())
  const { files, bytes } = copying.meter
  copying.meter.enter('done', { files: 0, bytes: 0 })
  const outcome: FinishedRun['outcome'] = complete === generation ? 'refreshed' : 'updated'
  const counts = { files, bytes, damaged: damagedFiles, strays: strayFiles }
  return finishRun(finishedState(begun, followed), { ...ending, ...counts, outcome })
}

function finishedState(begun: ReplicaState, { contents, targets, timestamp }: Followed): ReplicaState {
  const named = [...namedFiles('lists', contents), ...namedFiles('packs', contents)]
  return {
    ...begun,
    complete: contents.generation,
    shown: { timestamp, rootVersion: targets.rootVersion },
    files: Object.fromEntries(named.map(({ path, digest }) => [path, digest])),
  }
}
