// What a folder remembers between runs, in `<folder>/.replicate/state.json`. Losing it costs a look at every file and the memory of
// the highest generation; it is written atomically and never guessed at when it is damaged. What is trusted lies beside it, in `trust/`.

import { writeFileAtomically } from '#kit/atomic-file.ts'
import { findFileBytes } from '#kit/find-file-bytes.ts'
import { isChannelName } from '#snapshots/tree-path.ts'
import { ReplicateError } from './replicate-error.ts'

/** As the trace says it: the selection in words, and what it came to. */
export type PartialCopy = { readonly selection: string; readonly blobs: number; readonly bytes: number }

export type ReplicaState = {
  readonly format: 2
  /** 32 hex digits by chance: tells this copy from others in the source's log, and nothing else. */
  readonly replica: string
  readonly channel: string
  /** No generation below this is accepted again. */
  readonly highest: number
  /** The generation of which everything is here; 0: none yet. */
  readonly complete: number
  /** The metadata that the copy shows: sha256 of its timestamp.json, and how many roots. */
  readonly shown: { readonly timestamp: string; readonly rootVersion: number } | undefined
  /** The ETag that each source's timestamp had, by the source's address. */
  readonly etags: Readonly<Record<string, string>>
  /** What was selected of the complete generation; undefined: all of it. */
  readonly partial: PartialCopy | undefined
  /** Lists and packs that were verified, by path. */
  readonly files: Readonly<Record<string, string>>
  /** Lists, packs and metadata that nothing names any more, and since when. */
  readonly left: Readonly<Record<string, number>>
}

const privateFileMode = 0o600

export async function readReplicaState(path: string): Promise<ReplicaState | undefined> {
  const bytes = await findFileBytes(path)
  if (!bytes) return undefined
  const state = parseReplicaState(bytes.toString())
  if (state) return state
  const advice = 'remove it, and the next run looks at every file instead of remembering it'
  throw new ReplicateError('folder', `${path} is damaged or of another version of this program: ${advice}`)
}

export function writeReplicaState(path: string, state: ReplicaState): Promise<void> {
  return writeFileAtomically(path, `${JSON.stringify(state, null, 2)}\n`, privateFileMode)
}

const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0
const isText = (value: unknown) => typeof value === 'string'
const isPartial = (value: PartialCopy) => isText(value.selection) && isCount(value.blobs) && isCount(value.bytes)

function parseReplicaState(text: string): ReplicaState | undefined {
  try {
    const { format, replica, channel, highest, complete, shown, etags, partial, files, left } = JSON.parse(text)
    if (format !== 2 || !isChannelName(channel) || !isCount(highest) || !isCount(complete)) return undefined
    if (!/^[0-9a-f]{32}$/.test(replica) || !(partial === undefined || isPartial(partial))) return undefined
    if (shown !== undefined && !(isText(shown.timestamp) && isCount(shown.rootVersion))) return undefined
    if (!Object.values(etags).every(isText)) return undefined
    if (!Object.values(files).every(isText) || !Object.values(left).every(isCount)) return undefined
    return { format, replica, channel, highest, complete, shown, etags, partial, files, left }
  } catch {
    return undefined
  }
}
