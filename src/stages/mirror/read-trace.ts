// A host's trace, over its own address: how hosts check in that can call nobody. Only one that the host's token signed counts;
// what is wrong with any other is kept for the host's admin to read.

import { deathOf, identityOf } from '#access/authenticate.ts'
import { decide } from '#access/decide.ts'
import { findLastCheckIn, findLastFinished } from '#catalogue/check-ins.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { findToken } from '#catalogue/tokens.ts'
import { readAll } from '#http/outbound/body-stream.ts'
import type { OutboundClient } from '#http/outbound/outbound-client.ts'
import { OutboundError } from '#http/outbound/outbound-error.ts'
import { RegistryError } from '#oci/errors.ts'
import { isSignedBy, maxTraceBytes, parseTrace, type Trace, tracePath } from '#snapshots/trace.ts'
import type { TraceFinding } from './host-records.ts'
import type { ProbeLimits } from './sample-blob.ts'
import { type ClaimLimits, takeClaim } from './take-claim.ts'

export type TraceTask = {
  readonly host: { readonly id: number; readonly name: string }
  readonly channel: string
  /** Address of the host's tree, without a trailing slash. */
  readonly base: string
}

export type TraceTools = {
  readonly client: Pick<OutboundClient, 'send'>
  readonly catalogue: Catalogue
  readonly now: () => number
}

export type TraceLimits = ProbeLimits &
  ClaimLimits & {
    /** How far a host's clock may be ahead of ours. */
    readonly maxSkewMs: number
  }

const absentStatuses: readonly number[] = [401, 403, 404, 410]

/** Reads and checks it; one with news becomes a claim. Throws only what is our own trouble. */
export async function takeTrace(task: TraceTask, tools: TraceTools, limits: TraceLimits): Promise<TraceFinding> {
  const read = await readTrace(task, tools.client, limits)
  if ('state' in read) return read
  const said = { generation: read.generation, finishedAt: read.finishedAt, software: read.software }
  if (!read.signature)
    return {
      ...said,
      state: 'unsigned',
      reason: 'it is not signed, so it counts as a hint only; see flotilla check-in',
    }
  const problem = (await findProblem(read, task, tools)) ?? findTimeProblem(read, tools.now(), limits)
  if (problem !== undefined) return { ...said, state: 'refused', reason: problem }
  return { ...said, ...(await claimBy(read, task, tools, limits)) }
}

async function readTrace(
  { base, host }: TraceTask,
  client: TraceTools['client'],
  { idleMs, totalMs, family }: TraceLimits,
): Promise<Trace | TraceFinding> {
  let bytes: Uint8Array
  try {
    const url = `${base}/${tracePath(host.name)}`
    const answer = await client.send({ url, idleMs, totalMs, family, maxBodyBytes: maxTraceBytes })
    bytes = await readAll(answer.body)
    if (absentStatuses.includes(answer.status)) return { state: 'absent', reason: `${url}: status ${answer.status}` }
    if (answer.status !== 200) return { state: 'refused', reason: `${url}: status ${answer.status}` }
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error
    return { state: error.kind === 'too-large' ? 'refused' : 'absent', reason: error.message }
  }
  const parsed = parseTrace(bytes)
  return 'problem' in parsed ? { state: 'refused', reason: parsed.problem } : parsed
}

async function findProblem(trace: Trace, { host, channel }: TraceTask, tools: TraceTools): Promise<string | undefined> {
  if (trace.host !== host.name) return `it is the trace of ${trace.host}`
  if (trace.channel !== channel) return `it is of the channel ${trace.channel}, but ${channel} lies at this address`
  const name = trace.signature!.tokenId
  const token = await findToken(tools.catalogue, { name })
  if (!token) return `it names the token ${name}, which does not exist`
  if (!isSignedBy(trace, token.secretHash)) return `its signature is not by the token ${name}, or it was changed since`
  const death = deathOf(token, tools.now())
  if (death) return `the token ${name} is ${death}`
  const need = { kind: 'api', action: 'check-in', host: host.name } as const
  return decide(identityOf(token), need) ? undefined : `the token ${name} is not for this host`
}

function findTimeProblem({ finishedAt }: Trace, nowMs: number, { maxSkewMs }: TraceLimits): string | undefined {
  if (Date.parse(finishedAt) <= nowMs + maxSkewMs) return undefined
  return `it was finished at ${finishedAt}, which is in the future (it is ${new Date(nowMs).toISOString()} here): set the clock`
}

async function claimBy(
  trace: Trace,
  { host, channel }: TraceTask,
  { catalogue, now }: TraceTools,
  limits: ClaimLimits,
): Promise<Pick<TraceFinding, 'state' | 'reason'>> {
  const finishedAtMs = Date.parse(trace.finishedAt)
  const { generation, software } = trace
  try {
    return await catalogue.transaction().execute(async (tx) => {
      const lastMs = (await findLastFinished(tx, host.id, channel)) ?? 0
      if (finishedAtMs < lastMs)
        return refused(`it is older than one that was seen, of ${new Date(lastMs).toISOString()}: somebody put it back`)
      if (finishedAtMs === lastMs) return signed('it was seen before')
      const last = await findLastCheckIn(tx, host.id, channel)
      if (last && generation < last.generation)
        return signed(`it is of an older generation than the last check-in, of ${last.generation}`)
      const claim = { hostId: host.id, channel, generation, source: 'trace', finishedAtMs, software } as const
      const { isNew } = await takeClaim(tx, { ...claim, isPartial: trace.partial !== undefined }, limits, now())
      return signed(isNew ? 'it is a new check-in' : 'it says the same as the last check-in')
    })
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error
    return refused(error.detail)
  }
}

const signed = (reason: string) => ({ state: 'signed', reason }) as const
const refused = (reason: string) => ({ state: 'refused', reason }) as const
