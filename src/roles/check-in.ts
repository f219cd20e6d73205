// `flotilla check-in --tree` put together: the trace of a copy that was made by other means, signed by the host's token.

import { access } from 'node:fs/promises'
import { isHostName } from '#snapshots/tree-path.ts'
import { findCopy, parseHostToken } from '#stages/replicate/check-in.ts'
import { writeTrace } from '#stages/replicate/write-trace.ts'

export type TraceSettings = {
  readonly tree: string
  readonly host: string
  readonly generation: number | undefined
  readonly channel: string | undefined
}

export type FoundCopy = {
  readonly channel: string
  readonly generation: number
  readonly isPartial: boolean
  /** Why no trace was written; undefined: it was, and signed. */
  readonly unsigned?: string
}

/** Without a token that signs, the trace that is there stays. `problem`: why nothing can be said, in words for a person. */
export async function writeHostTrace(
  { tree, host, generation, channel }: TraceSettings,
  by: { readonly token: string | undefined; readonly software: string; readonly nowMs: number },
): Promise<FoundCopy | { readonly problem: string }> {
  if (!isHostName(host)) return { problem: `${host} is no host name: name it with --host, like mirror.example.org` }
  if (!(await isThere(tree))) return { problem: `there is no folder ${tree}` }
  const copy = await findCopy(tree, host, { generation, channel })
  if (!copy)
    return {
      problem: `${tree} has neither metadata nor a trace of ${host} that says what it holds: give --generation and --channel`,
    }
  const found = { channel: copy.channel, generation: copy.generation, isPartial: copy.partial !== undefined }
  const token = parseHostToken(by.token ?? '')
  if ('problem' in token) return { ...found, unsigned: token.problem }
  const { software, nowMs } = by
  await writeTrace(tree, host, copy, { nowMs, software, token, partial: copy.partial })
  return found
}

function isThere(folder: string): Promise<boolean> {
  return access(folder).then(
    () => true,
    () => false,
  )
}
