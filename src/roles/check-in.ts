// `flotilla check-in --tree` put together: the trace of a copy that was made by other means, signed by the host's token.

import { access } from 'node:fs/promises'
import { isHostName } from '#snapshots/tree-path.ts'
import { parseHostToken, writeTraceOf } from '#stages/replicate/check-in.ts'

export type TraceSettings = {
  readonly tree: string
  readonly host: string
  readonly generation: number | undefined
  readonly channel: string | undefined
}

export type WrittenTrace = { readonly channel: string; readonly generation: number; readonly isPartial: boolean } & {
  /** Why the trace is not signed; undefined: it is. */
  readonly unsigned?: string
}

/** In words for a person, where nothing can be written. */
export async function writeHostTrace(
  { tree, host, generation, channel }: TraceSettings,
  by: { readonly token: string | undefined; readonly software: string; readonly nowMs: number },
): Promise<WrittenTrace | { readonly problem: string }> {
  if (!isHostName(host)) return { problem: `${host} is no host name: name it with --host, like mirror.example.org` }
  if (!(await isThere(tree))) return { problem: `there is no folder ${tree}` }
  const token = parseHostToken(by.token ?? '')
  const { software, nowMs } = by
  const asked = { folder: tree, host, generation, channel, software, nowMs }
  const trace = await writeTraceOf({ ...asked, token: 'problem' in token ? undefined : token })
  if (!trace)
    return {
      problem: `${tree} has neither metadata nor a trace of ${host} that says what it holds: give --generation and --channel`,
    }
  const written = { channel: trace.channel, generation: trace.generation, isPartial: trace.partial !== undefined }
  return 'problem' in token ? { ...written, unsigned: token.problem } : written
}

function isThere(folder: string): Promise<boolean> {
  return access(folder).then(
    () => true,
    () => false,
  )
}
