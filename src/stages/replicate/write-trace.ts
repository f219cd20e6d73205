// trace/<host>: a host says what it has and since when, after everything else is in place; signed where it was given a token.

import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { hashSecret, type NamedSecret } from '#access/secrets.ts'
import { makeFolder, writeFileAtomically } from '#kit/atomic-file.ts'
import { findFileBytes } from '#kit/find-file-bytes.ts'
import { macOf, parseTrace, type Trace, tracePath } from '#snapshots/trace.ts'

export type TraceMaking = {
  readonly nowMs: number
  /** Name and version of the program. */
  readonly software: string
  /** What was chosen, where only a part of the tree is copied. */
  readonly partial?: Trace['partial'] | undefined
  /** The host's token; without it the trace is unsigned and counts as a hint only. */
  readonly token?: NamedSecret | undefined
}

export async function writeTrace(
  folder: string,
  host: string,
  { channel, generation }: { readonly channel: string; readonly generation: number },
  { nowMs, software, partial, token }: TraceMaking,
): Promise<Trace> {
  const finishedAt = new Date(nowMs).toISOString()
  const unsigned: Trace = {
    format: 1,
    host,
    channel,
    generation,
    finishedAt,
    software,
    ...(partial === undefined ? {} : { partial }),
  }
  const trace = token ? signTrace(unsigned, token) : unsigned
  await makeFolder(join(folder, 'trace'))
  await writeFileAtomically(join(folder, tracePath(host)), `${JSON.stringify(trace)}\n`)
  return trace
}

export function signTrace(trace: Trace, { name, secret }: NamedSecret): Trace {
  return { ...trace, signature: { tokenId: name, mac: macOf(trace, hashSecret(secret)) } }
}

/** What the host said last; undefined where there is no trace that can be read. */
export async function readTrace(folder: string, host: string): Promise<Trace | undefined> {
  const bytes = await findFileBytes(join(folder, tracePath(host)))
  if (!bytes) return undefined
  const parsed = parseTrace(bytes)
  return 'problem' in parsed ? undefined : parsed
}

export function removeTrace(folder: string, host: string): Promise<void> {
  return rm(join(folder, tracePath(host)), { force: true })
}
