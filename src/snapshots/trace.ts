// trace/<host>: what a host says of its copy, and how its token signs that. The text that is signed can be made by a shell script:
//
//   flotilla-trace 1
//   host mirror.example.org
//   channel stable
//   generation 7
//   finishedAt 2026-11-24T09:00:00Z
//   software flotilla-rsync/1
//   partial {"…":…}                only where the trace has it, as JSON.stringify writes it
//
// Every line ends in a line feed. `mac` is the HMAC-SHA-256 of that text in hex, its key the 32 bytes of SHA-256(secret): what the
// catalogue keeps of a token, so that no secret has to be kept to check it.

import { createHmac, timingSafeEqual } from 'node:crypto'
import { isChannelName, isHostName } from './tree-path.ts'

export const maxTraceBytes = 16 * 1024

export type TraceSignature = {
  /** The name of the token; names are never used twice. */
  readonly tokenId: string
  /** 64 hex digits, lower case. */
  readonly mac: string
}

export type Trace = {
  readonly format: 1
  readonly host: string
  readonly channel: string
  readonly generation: number
  /** ISO 8601, UTC, with a Z. */
  readonly finishedAt: string
  readonly software: string
  /** What was chosen, where only a part of the tree is copied. */
  readonly partial?: Readonly<Record<string, unknown>>
  readonly signature?: TraceSignature
}

const maxSoftwareLength = 200
const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z$/
const tokenPattern = /^[a-z0-9][a-z0-9._-]{0,62}$/
const macPattern = /^[0-9a-f]{64}$/

export function tracePath(host: string): string {
  return `trace/${host}`
}

/** The text that is signed; the drawing above. */
export function traceText({ host, channel, generation, finishedAt, software, partial }: Trace): string {
  const lines = [
    'flotilla-trace 1',
    `host ${host}`,
    `channel ${channel}`,
    `generation ${generation}`,
    `finishedAt ${finishedAt}`,
    `software ${software}`,
    ...(partial === undefined ? [] : [`partial ${JSON.stringify(partial)}`]),
  ]
  return `${lines.join('\n')}\n`
}

export function macOf(trace: Trace, key: Uint8Array): string {
  return createHmac('sha256', key).update(traceText(trace)).digest('hex')
}

/** Takes the same time wherever the two differ. */
export function isSignedBy(trace: Trace, key: Uint8Array): boolean {
  const said = Buffer.from(trace.signature?.mac ?? '', 'hex')
  const right = Buffer.from(macOf(trace, key), 'hex')
  return said.length === right.length && timingSafeEqual(said, right)
}

/** What is wrong with it, in words for the host's admin, where it is no trace. */
export function parseTrace(bytes: Uint8Array): Trace | { readonly problem: string } {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {}
  if (!isRecord(value)) return { problem: 'it is no JSON object' }
  const { format, host, channel, generation, finishedAt, software, partial, signature } = value
  if (format !== 1) return { problem: `its format ${JSON.stringify(format)} is not known here` }
  if (typeof host !== 'string' || !isHostName(host)) return { problem: '"host" is no host name' }
  if (typeof channel !== 'string' || !isChannelName(channel)) return { problem: '"channel" is no channel' }
  if (typeof generation !== 'number' || !Number.isSafeInteger(generation) || generation < 1)
    return { problem: '"generation" is no whole number from 1' }
  if (typeof finishedAt !== 'string' || !timePattern.test(finishedAt) || Number.isNaN(Date.parse(finishedAt)))
    return { problem: '"finishedAt" is no time like 2026-11-24T09:00:00Z' }
  if (typeof software !== 'string' || software.length > maxSoftwareLength || /\p{Cc}/u.test(software))
    return { problem: `"software" is no line of at most ${maxSoftwareLength} characters` }
  if (partial !== undefined && !isRecord(partial)) return { problem: '"partial" is no object' }
  if (signature !== undefined && !isSignature(signature))
    return { problem: '"signature" has no "tokenId" with the name of a token and "mac" with 64 hex digits' }
  return {
    format,
    host,
    channel,
    generation,
    finishedAt,
    software,
    ...(partial === undefined ? {} : { partial }),
    ...(signature === undefined ? {} : { signature }),
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isSignature(value: unknown): value is TraceSignature {
  const { tokenId, mac } = isRecord(value) ? value : {}
  return typeof tokenId === 'string' && tokenPattern.test(tokenId) && typeof mac === 'string' && macPattern.test(mac)
}
