// What a folder remembers between runs, in `<folder>/.replicate/state.json`. Losing it costs a look at every file and the
// memory of the key and of the highest generation; it is written atomically and never guessed at when it is damaged.

import { readFile } from 'node:fs/promises'
import { writeFileAtomically } from '#kit/atomic-file.ts'
import { isChannelName } from '#snapshots/tree-path.ts'
import { makePublicKey, type PublicKey } from '#trust/public-key.ts'
import { ReplicateError } from './replicate-error.ts'

export type ReplicaState = {
  readonly format: 1
  /** The key that the first run met, or was given. */
  readonly key: PublicKey
  readonly channel: string
  /** No pointer below this is accepted again. */
  readonly highest: number
  /** The generation of which everything is here; 0: none yet. */
  readonly complete: number
  /** Where the complete generation came from, and the ETag its pointer had there. */
  readonly from: string
  readonly etag: string | undefined
  /** Lists and packs that no pointer names any more, and since when. */
  readonly leftFiles: Readonly<Record<string, number>>
}

const privateFileMode = 0o600

export async function readReplicaState(path: string): Promise<ReplicaState | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const state = parseReplicaState(text)
  if (state) return state
  throw new ReplicateError('folder', `${path} is damaged; remove it to trust the source anew`)
}

export function writeReplicaState(path: string, state: ReplicaState): Promise<void> {
  return writeFileAtomically(path, `${JSON.stringify(state, null, 2)}\n`, privateFileMode)
}

function parseReplicaState(text: string): ReplicaState | undefined {
  try {
    const { format, key, channel, highest, complete, from, etag, leftFiles } = JSON.parse(text)
    const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0
    if (format !== 1 || !isChannelName(channel) || !isCount(highest) || !isCount(complete)) return undefined
    if (typeof from !== 'string' || !(etag === undefined || typeof etag === 'string')) return undefined
    if (!Object.values(leftFiles).every(isCount)) return undefined
    return { format, key: makePublicKey(key.keyval.public), channel, highest, complete, from, etag, leftFiles }
  } catch {
    return undefined
  }
}
