// From the roots trusted here to what the tree says of itself now: signed, not expired, of the folder's channel, never below what
// was seen before.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, writeFileAtomically } from '#kit/atomic-file.ts'
import { ContentsRefused, parseContents, type TreeContents, timestampPath } from '#snapshots/tree-contents.ts'
import { ChainRefused } from '#trust/chain-refused.ts'
import { type MetadataSource, pollChain } from '#trust/poll-chain.ts'
import type { TrustedChain, VerifiedTargets } from '#trust/trusted-chain.ts'
import { collectRoots, type GivenRoot, type NamedBytes, openChain, type RootsTools } from './first-root.ts'
import { metadataOf } from './read-metadata.ts'
import type { ReplicaFolder } from './replica-folder.ts'
import type { ReplicaState } from './replica-state.ts'
import { explainChain, ReplicateError } from './replicate-error.ts'
import type { TreeSource } from './tree-source.ts'

export type Followed = {
  readonly contents: TreeContents
  readonly targets: VerifiedTargets
  readonly etag: string | undefined
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
}

const dayMs = 86_400_000
/** A clock may be this far behind before it is called wrong. */
const clockToleranceMs = dayMs

/** Throws ReplicateError, SourceInterrupted. */
export async function followChain(source: TreeSource, following: Following): Promise<Followed> {
  const { replica, root, state, nowMs, stop } = following
  const seen = new Map<string, Uint8Array>()
  const read: MetadataSource = async (name, ask) => {
    const answer = await metadataOf(source, stop)(name, ask)
    if (typeof answer === 'object' && name.endsWith('.root.json')) seen.set(name, answer.bytes)
    return answer
  }
  const tools: RootsTools = { folder: replica.folder, read, from: source.url }
  try {
    const { chain, believed } = await openChain(replica.trust, state?.channel, root, tools)
    const known = state?.from === source.url && (await chain.last()) ? state.etag : undefined
    const news = await pollChain(chain, read, known, nowMs)
    const targets = news?.targets ?? (await chain.last())!
    const contents = parseContents(targets)
    refuseClock(contents, nowMs)
    refuseOlder(contents, state)
    return {
      contents,
      targets,
      etag: news ? news.etag : known,
      believed,
      timestamp: digestOf((await chain.held('timestamp.json'))!),
      collectMetadata: () => collectMetadata(chain, targets, seen, tools),
    }
  } catch (error) {
    if (error instanceof ContentsRefused)
      throw new ReplicateError('source', `${source.url}: ${error.message}`, { cause: error })
    if (error instanceof ChainRefused) throw explainChain(error, source.url)
    throw error
  }
}

async function collectMetadata(
  chain: TrustedChain,
  { targetsVersion }: VerifiedTargets,
  seen: ReadonlyMap<string, Uint8Array>,
  tools: RootsTools,
): Promise<NamedBytes[]> {
  const roots = await collectRoots(chain, seen, tools)
  const [timestamp, snapshot, targets] = await Promise.all(
    (['timestamp.json', 'snapshot.json', 'targets.json'] as const).map((name) => chain.held(name)),
  )
  const { version } = JSON.parse(snapshot!.toString()).signed as { version: number }
  return [
    ...roots,
    { name: `${targetsVersion}.targets.json`, bytes: targets! },
    { name: `${version}.snapshot.json`, bytes: snapshot! },
    { name: 'timestamp.json', bytes: timestamp! },
  ]
}

/** The timestamp comes after all that it leads to. */
export async function writeMetadata(folder: string, files: readonly NamedBytes[]): Promise<void> {
  await makeFolder(join(folder, 'metadata'))
  for (const { name, bytes } of files) await writeFileAtomically(join(folder, 'metadata', name), bytes)
}

/** sha256 of the timestamp that the copy shows; undefined: it shows none. */
export async function shownTimestamp(folder: string): Promise<string | undefined> {
  const bytes = await readFile(join(folder, timestampPath)).catch(() => undefined)
  return bytes && digestOf(bytes)
}

function refuseOlder({ generation, channel }: TreeContents, state: ReplicaState | undefined): void {
  if (!state) return
  if (channel !== state.channel)
    throw new ReplicateError('folder', `the folder holds channel ${state.channel}, the source has ${channel}`)
  if (generation < state.highest) {
    const seen = `${state.highest} was seen before`
    throw new ReplicateError('backwards', `the source has generation ${generation}, but ${seen}`)
  }
}

/** A clock that is behind takes old signatures for fresh ones: nothing can be told expired by it. */
function refuseClock({ createdAtMs }: TreeContents, nowMs: number): void {
  if (createdAtMs <= nowMs + clockToleranceMs) return
  const [here, there] = [new Date(nowMs).toISOString(), new Date(createdAtMs).toISOString()]
  const said = `it says ${here}, the source signed at ${there}; set it and run again`
  throw new ReplicateError('expired', `the clock of this machine seems to be behind: ${said}`)
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
