// After a complete run: the host signs its trace and tells the control API, so that it is looked at now and not some time later.
// Nothing here may fail a copy: what went wrong is the outcome.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type NamedSecret, parseNamedSecret } from '#access/secrets.ts'
import { readAll } from '#http/outbound/body-stream.ts'
import type { OutboundClient } from '#http/outbound/outbound-client.ts'
import type { Trace } from '#snapshots/trace.ts'
import { peekTimestamp, timestampPath } from '#snapshots/tree-contents.ts'
import { readTrace, writeTrace } from './write-trace.ts'

export type CompleteCopy = {
  readonly folder: string
  /** The name under which the host is registered. */
  readonly host: string
  readonly channel: string
  readonly generation: number
  readonly partial?: Trace['partial'] | undefined
}

export type CheckInTarget = {
  /** Of the control API, without a trailing slash: `https://api.example.org`. */
  readonly url: string
  /** `name@flt_…`, as `flotilla token create --host` shows it. */
  readonly token: string
}

export type CheckInTools = {
  readonly client: Pick<OutboundClient, 'send'>
  readonly now: () => number
  readonly software: string
  readonly signal?: AbortSignal | undefined
}

/** sent: kept, or said before; refused: asking again changes nothing; failed: worth another try, not before `retryAfterMs`. */
export type CheckInOutcome =
  | { readonly outcome: 'sent'; readonly state: string; readonly isNew: boolean }
  | { readonly outcome: 'refused'; readonly status: number; readonly reason: string }
  | { readonly outcome: 'failed'; readonly reason: string; readonly retryAfterMs: number }

const idleMs = 30_000
const totalMs = 60_000
const maxAnswerBytes = 256 * 1024
const retryMs = 60_000
const maxTokenLength = 4096

/** What is wrong with the text of a token file, in words to act on, where it holds no robot's token. */
export function parseHostToken(text: string): NamedSecret | { readonly problem: string } {
  const named = text.length > maxTokenLength ? undefined : parseNamedSecret(text.trim())
  return named ?? { problem: 'the token is not like name@flt_…; make one with: flotilla token create --host <host>' }
}

/** Resolves always: the trace is signed and written first, so that it checks in where the API cannot be reached. */
export async function checkIn(copy: CompleteCopy, to: CheckInTarget, tools: CheckInTools): Promise<CheckInOutcome> {
  const token = parseHostToken(to.token)
  if ('problem' in token) return { outcome: 'refused', status: 401, reason: token.problem }
  const { software } = tools
  try {
    await writeTrace(copy.folder, copy.host, copy, { nowMs: tools.now(), software, partial: copy.partial, token })
    return await post(copy, to, tools)
  } catch (error) {
    return { outcome: 'failed', reason: (error as Error).message, retryAfterMs: retryMs }
  }
}

async function post(copy: CompleteCopy, to: CheckInTarget, tools: CheckInTools): Promise<CheckInOutcome> {
  const { host, channel, generation, partial } = copy
  const answer = await tools.client.send({
    url: `${to.url.replace(/\/+$/, '')}/api/v1/hosts/${encodeURIComponent(host)}/check-ins`,
    method: 'POST',
    headers: { authorization: `Bearer ${to.token.trim()}`, 'content-type': 'application/json' },
    body: JSON.stringify({ generation, channel, isPartial: partial !== undefined, software: tools.software }),
    idleMs,
    totalMs,
    maxBodyBytes: maxAnswerBytes,
    signal: tools.signal,
  })
  const said = parseAnswer(await readAll(answer.body))
  if (answer.status === 200 || answer.status === 202)
    return { outcome: 'sent', state: said.checkIn?.state ?? 'claimed', isNew: answer.status === 202 }
  const reason = said.detail ?? said.title ?? `the API answered ${answer.status}`
  if (answer.status !== 429 && answer.status < 500) return { outcome: 'refused', status: answer.status, reason }
  const seconds = Number(answer.header('retry-after'))
  return { outcome: 'failed', reason, retryAfterMs: seconds > 0 ? seconds * 1000 : retryMs }
}

type Said = { readonly checkIn?: { readonly state?: string }; readonly detail?: string; readonly title?: string }

function parseAnswer(bytes: Uint8Array): Said {
  try {
    return (JSON.parse(Buffer.from(bytes).toString()) ?? {}) as Said
  } catch {
    return {}
  }
}

/** What a copy that was made by other means says of itself: its metadata, else the trace of `host`. */
export async function findCopy(
  folder: string,
  host: string,
  given: { readonly channel?: string | undefined; readonly generation?: number | undefined },
): Promise<CompleteCopy | undefined> {
  const last = await readTrace(folder, host)
  const state = (await readTreeState(folder)) ?? last
  const generation = given.generation ?? state?.generation
  const channel = given.channel ?? state?.channel
  if (generation === undefined || channel === undefined) return undefined
  const partial = last?.generation === generation && last.channel === channel ? last.partial : undefined
  return { folder, host, channel, generation, partial }
}

/** What the folder's own metadata says; nobody's signature is checked: the host speaks of itself here. */
async function readTreeState(folder: string): Promise<{ channel: string; generation: number } | undefined> {
  const bytes = await readFile(join(folder, timestampPath)).catch(() => undefined)
  const said = bytes && peekTimestamp(bytes)
  return said?.channel === undefined ? undefined : { channel: said.channel, generation: said.generation }
}
