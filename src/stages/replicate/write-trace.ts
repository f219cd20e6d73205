// trace/<host>: a host says what it has and since when, after everything else is in place.

import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, writeFileAtomically } from '#kit/atomic-file.ts'

export type Trace = {
  readonly format: 1
  readonly host: string
  readonly channel: string
  readonly generation: number
  /** ISO 8601, UTC. */
  readonly finishedAt: string
  readonly software: string
}

export async function writeTrace(
  folder: string,
  host: string,
  { channel, generation }: { readonly channel: string; readonly generation: number },
  by: { readonly nowMs: number; readonly software: string },
): Promise<void> {
  const finishedAt = new Date(by.nowMs).toISOString()
  const trace: Trace = { format: 1, host, channel, generation, finishedAt, software: by.software }
  await makeFolder(join(folder, 'trace'))
  await writeFileAtomically(join(folder, 'trace', host), `${JSON.stringify(trace)}\n`)
}

export function hasTrace(folder: string, host: string): Promise<boolean> {
  return access(join(folder, 'trace', host)).then(
    () => true,
    () => false,
  )
}
