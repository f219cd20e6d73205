// From the roots trusted here to what the tree says of itself now: signed, not expired, of the folder's channel, never below what
// was seen before. Every source is asked; the newest state that any of them proves is taken.

import { createHash } from 'node:crypto'
import { ContentsRefused, parseContents, type TreeContents } from '#snapshots/tree-contents.ts'
import { ChainRefused } from '#trust/chain-refused.ts'
import { type MetadataSource, pollChain } from '#trust/poll-chain.ts'
import type { VerifiedTargets } from '#trust/trusted-chain.ts'
import { refuseClock, SourceClock } from './check-clock.ts'
import { type GivenRoot, type NamedBytes, type OpenedChain, openChain, type RootsTools } from './first-root.ts'
import { metadataOf } from './read-metadata.ts'
import type { ReplicaFolder } from './replica-folder.ts'
import type { ReplicaState } from './replica-state.ts'
import { explainChain, ReplicateError } from './replicate-error.ts'
import { SourceInterrupted } from './source-trouble.ts'
import type { TreeSource } from './tree-source.ts'
import type { TreeSources } from './tree-sources.ts'
import { collectMetadata } from './write-metadata.ts'

export type Followed = {
  readonly contents: TreeContents
  readonly targets: VerifiedTargets
  /** Of each source's timestamp, by the source's address. */
  readonly etags: Readonly<Record<string, string>>
  /** See OpenedChain. */
  readonly believed: string | undefined
  /** Of the timestamp that was verified: sha256. */
  readonly timestamp: string
  /** The whole chain, in the order in which it is to be written. */
  collectMetadata(): Promise<NamedBytes[]>
}

export type Following = {
  readonly replica: ReplicaFolder
  readonly root: GivenRoot | undefined
  readonly state: ReplicaState | undefined
  readonly nowMs: number
  readonly stop: AbortSignal
  /** A source that could not be followed while another could. */
  readonly onTrouble: (url: string, trouble: ReplicateError) => void
}

/** Throws ReplicateError when no source leads anywhere, with the reason of the first. */
export async function followChain(sources: TreeSources, following: Following): Promise<Followed> {
  const { replica, state, nowMs, stop, onTrouble } = following
  const followers = sources.upstreams.map(({ source }) => new SourceFollower(source, following))
  const troubles: { readonly url: string; readonly trouble: ReplicateError }[] = []
  const etags: Record<string, string> = {}
  let opened: OpenedChain | undefined
  let believed: string | undefined
  let newest: SourceFollower | undefined
  for (const follower of followers) {
    const { url } = follower.source
    try {
      opened ??= await follower.open()
      believed ??= opened.believed
      const { isNewer, etag } = await follower.follow(opened)
      if (etag !== undefined) etags[url] = etag
      if (isNewer || !newest) newest = follower
    } catch (error) {
      stop.throwIfAborted()
      const trouble = await follower.explain(error)
      if (trouble.reason === 'untrusted') sources.distrust(url)
      troubles.push({ url, trouble })
    }
  }
  if (!opened || !newest) throw allFailed(troubles.map((one) => one.trouble))
  for (const { url, trouble } of troubles) onTrouble(url, trouble)
  const { chain } = opened
  const targets = (await chain.last())!
  const contents = parseTold(targets, newest.source.url)
  refuseClock(contents, nowMs)
  refuseOlder(contents, state)
  const timestamp = digestOf((await chain.held('timestamp.json'))!)
  const tools = newest.rootsTools
  const { seen } = newest
  return {
    contents,
    targets,
    etags,
    believed,
    timestamp,
    collectMetadata: () => collectMetadata(chain, targets.targetsVersion, seen, { ...tools, folder: replica.folder }),
  }
}

class SourceFollower {
  readonly source: TreeSource
  /** Roots that came, by name. */
  readonly seen = new Map<string, Uint8Array>()
  readonly #following: Following
  readonly #clock: SourceClock

  constructor(source: TreeSource, following: Following) {
    this.source = source
    this.#following = following
    this.#clock = new SourceClock(following.nowMs)
  }

  get rootsTools(): RootsTools {
    return { folder: this.#following.replica.folder, read: this.#read, from: this.source.url }
  }

  open(): Promise<OpenedChain> {
    const { replica, state, root } = this.#following
    return openChain(replica.trust, state?.channel, root, this.rootsTools)
  }

  async follow({ chain }: OpenedChain): Promise<{ isNewer: boolean; etag: string | undefined }> {
    const before = await chain.last()
    const known = before && this.#following.state?.etags[this.source.url]
    const news = await pollChain(chain, this.#read, known, this.#following.nowMs)
    const isNewer = (news?.targets.timestampVersion ?? 0) > (before?.timestampVersion ?? 0)
    return { isNewer, etag: news ? news.etag : known }
  }

  async explain(error: unknown): Promise<ReplicateError> {
    const { url } = this.source
    if (error instanceof ChainRefused) return this.#clock.explain(explainChain(error, url))
    if (error instanceof SourceInterrupted) return new ReplicateError('source', error.message, { cause: error })
    if (error instanceof ReplicateError) return error
    throw error
  }

  readonly #read: MetadataSource = async (name, ask) => {
    const answer = await metadataOf(this.source, this.#following.stop, this.#clock)(name, ask)
    if (typeof answer === 'object' && name.endsWith('.root.json')) this.seen.set(name, answer.bytes)
    return answer
  }
}

function allFailed(troubles: readonly ReplicateError[]): ReplicateError {
  const [first, ...others] = troubles
  if (!first) return new ReplicateError('source', 'no source was given')
  if (others.length === 0) return first
  const said = troubles.map((one) => one.message).join('; and ')
  return new ReplicateError(first.reason, said, { cause: first })
}

function parseTold(targets: VerifiedTargets, url: string): TreeContents {
  try {
    return parseContents(targets)
  } catch (error) {
    if (!(error instanceof ContentsRefused)) throw error
    throw new ReplicateError('source', `${url}: ${error.message}`, { cause: error })
  }
}

function refuseOlder({ generation, channel }: TreeContents, state: ReplicaState | undefined): void {
  if (!state) return
  if (channel !== state.channel)
    throw new ReplicateError('folder', `the folder holds channel ${state.channel}, the source has ${channel}`)
  if (generation >= state.highest) return
  throw new ReplicateError('backwards', `the source has generation ${generation}, but ${state.highest} was seen before`)
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
