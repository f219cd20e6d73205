// Brings a folder to the newest generation that its sources have. README.md has the order of the steps and what each protects.

import { randomBytes } from 'node:crypto'
import { FolderBusy, lockFolder } from '#kit/folder-lock.ts'
import { isHostName } from '#snapshots/tree-path.ts'
import { checkDisk } from './check-disk.ts'
import { copyBlobs } from './copy-blobs.ts'
import { copyNamedFiles, namedFiles } from './copy-named-files.ts'
import { type Copying, startCopying } from './copying.ts'
import { finishRun, type ReplicateResult } from './finish-run.ts'
import { type Followed, followChain } from './follow-chain.ts'
import type { Plan } from './plan-blobs.ts'
import { openReplicaFolder, type ReplicaFolder } from './replica-folder.ts'
import { type PartialCopy, type ReplicaState, readReplicaState, writeReplicaState } from './replica-state.ts'
import { isDiskFull, ReplicateError } from './replicate-error.ts'
import type { ReplicateOptions, ReplicateTools } from './replicate-options.ts'
import { describeSelection } from './selection.ts'
import { SourceInterrupted } from './source-trouble.ts'
import { TreeSource } from './tree-source.ts'
import { TreeSources } from './tree-sources.ts'
import { shownTimestamp, writeMetadata } from './write-metadata.ts'
import { removeTrace } from './write-trace.ts'

/** Throws ReplicateError with a reason a person can act on; whatever happens, the last complete generation stays. */
export async function replicate(options: ReplicateOptions, tools: ReplicateTools): Promise<ReplicateResult> {
  const { name, from, to } = options
  if (!isHostName(name))
    throw new ReplicateError('folder', `not a host name: ${name}; give one like mirror.example.org`)
  try {
    const replica = await openReplicaFolder(to)
    await using _ = await lockFolder(replica.hidden)
    tools.onEvent({ event: 'start', from, to })
    return await new ReplicaRun(replica, options, tools).run()
  } catch (error) {
    if (tools.stop.aborted)
      throw new ReplicateError('stopped', 'stopped; the next run goes on from here', { cause: error })
    if (error instanceof SourceInterrupted) throw new ReplicateError('source', error.message, { cause: error })
    if (error instanceof FolderBusy) throw new ReplicateError('busy', error.message, { cause: error })
    if (isDiskFull(error)) throw new ReplicateError('disk', `no room in ${to}`, { cause: error })
    const problem = folderProblems[(error as NodeJS.ErrnoException).code ?? '']
    if (problem) throw new ReplicateError('folder', `${to} ${problem}: ${(error as Error).message}`, { cause: error })
    throw error
  }
}

const folderProblems: Readonly<Record<string, string>> = {
  EROFS: 'is on a disk that is mounted read-only',
  EACCES: 'is not writable for this user',
  EPERM: 'is not writable for this user',
  ENOTDIR: 'is no folder',
}

type Counts = Pick<ReplicateResult, 'outcome' | 'damaged' | 'strays'>

class ReplicaRun {
  readonly #replica: ReplicaFolder
  readonly #options: ReplicateOptions
  readonly #tools: ReplicateTools
  readonly #warnings: string[] = []

  constructor(replica: ReplicaFolder, options: ReplicateOptions, tools: ReplicateTools) {
    this.#replica = replica
    this.#options = options
    this.#tools = tools
  }

  async run(): Promise<ReplicateResult> {
    const { now, stop, onEvent } = this.#tools
    const { root, isPrune, check } = this.#options
    const replica = this.#replica
    const state = await readReplicaState(replica.state)
    const id = state?.replica ?? randomBytes(16).toString('hex')
    const sources = this.#openSources(id)
    const shown = await shownTimestamp(replica.folder)
    const mustLook = isPrune || shown === undefined || shown !== state?.shown?.timestamp
    const onTrouble = (url: string, { reason, message }: ReplicateError) => {
      this.#warnings.push(message)
      onEvent({ event: 'source', url, reason, message })
    }
    const followed = await followChain(sources, { replica, root, state, nowMs: now(), stop, onTrouble })
    const { channel, generation } = followed.contents
    const begun = begin({ id, state, mustLook, followed })
    onEvent({ event: 'generation', channel, generation, held: begun.complete })
    if (followed.believed) onEvent({ event: 'believed', root: followed.believed })
    const copying = startCopying(replica, sources, this.#options, this.#tools)
    const { state: copied, ...counts } = await this.#copy(begun, followed, copying)
    const finish = (finished: ReplicaState, told: Counts) => {
      const { files, bytes } = copying.meter
      const { contents, believed } = followed
      const said = { files, bytes, believed, liars: sources.liars, warnings: this.#warnings }
      return finishRun(finished, { replica, options: this.#options, tools: this.#tools, contents, ...told, ...said })
    }
    const { result, left } = await finish(copied, counts)
    if (!check) return result
    // Whoever reads the trace is not to be told of what is being taken away; it comes again when all is here.
    const onIncomplete = async () => {
      await writeReplicaState(replica.state, { ...copied, left, complete: 0 })
      await removeTrace(replica.folder, this.#options.name)
    }
    const checked = await checkDisk(followed.contents, check, { ...copying, onIncomplete })
    if (checked.damaged === 0) return { ...result, checked }
    const damaged = counts.damaged + checked.damaged
    return { ...(await finish({ ...copied, left }, { ...counts, damaged })).result, checked }
  }

  #openSources(id: string): TreeSources {
    const { from, name } = this.#options
    const { client, hostClient, now, onEvent } = this.#tools
    const headers = { 'flotilla-replica': id, 'flotilla-host': name }
    const sources = from.map((url) => new TreeSource(url, this.#options, { client, hostClient, headers }))
    return new TreeSources(sources, {
      now,
      onLiar: (liar) => onEvent({ event: 'liar', ...liar }),
      onHostFailed: ({ url }, message) => {
        this.#warnings.push(message)
        onEvent({ event: 'source', url, reason: 'source', message })
      },
    })
  }

  /** The state when all is in place, and what it took. */
  async #copy(
    begun: ReplicaState,
    followed: Followed,
    copying: Copying,
  ): Promise<Counts & { readonly state: ReplicaState }> {
    const { contents, targets, timestamp } = followed
    const { generation, popular } = contents
    const { capBytes } = this.#options
    const selection = describeSelection(this.#options)
    const isShown = begun.shown?.timestamp === timestamp && begun.shown.rootVersion === targets.rootVersion
    const isChosenAnew = capBytes !== undefined && popular !== undefined && !(popular.path in begun.files)
    const hasBlobs = begun.complete === generation && (begun.partial?.selection ?? '') === selection && !isChosenAnew
    if (hasBlobs && isShown) return { state: begun, outcome: 'unchanged', damaged: 0, strays: 0 }

    await writeReplicaState(this.#replica.state, begun)
    await copyNamedFiles('lists', contents, begun.files, copying)
    await copyNamedFiles('packs', contents, begun.files, copying)
    const forget = () => writeReplicaState(this.#replica.state, { ...begun, complete: 0 })
    const known = { complete: begun.complete, isWhole: begun.partial === undefined, forget }
    const plan = hasBlobs ? undefined : await copyBlobs(contents, known, copying)
    await writeMetadata(this.#replica.folder, await followed.collectMetadata())
    copying.meter.enter('done', { files: 0, bytes: 0 })
    return {
      state: finishedState(plan ? { ...begun, partial: partialOf(selection, plan) } : begun, followed),
      outcome: plan ? 'updated' : 'refreshed',
      damaged: plan?.damagedFiles ?? 0,
      strays: plan?.strayFiles ?? 0,
    }
  }
}

function partialOf(selection: string, { count, sizeBytes }: Plan): PartialCopy | undefined {
  return selection === '' ? undefined : { selection, blobs: count, bytes: sizeBytes }
}

type Begin = {
  readonly id: string
  readonly state: ReplicaState | undefined
  readonly mustLook: boolean
  readonly followed: Followed
}

function begin({ id, state, mustLook, followed }: Begin): ReplicaState {
  return {
    format: 2,
    replica: id,
    channel: followed.contents.channel,
    highest: followed.contents.generation,
    complete: mustLook ? 0 : (state?.complete ?? 0),
    shown: mustLook ? undefined : state?.shown,
    etags: followed.etags,
    partial: state?.partial,
    files: mustLook ? {} : (state?.files ?? {}),
    left: state?.left ?? {},
  }
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
