// A crawl with what the host says of itself: its trace is read first, and the claims that were open when the crawl began are
// accepted or refused by what it found. A claim changes nothing else: who is sent where follows from the proofs alone.

import { type CheckInRow, decideCheckIn, listCheckIns } from '#catalogue/check-ins.ts'
import { emit } from '#catalogue/events.ts'
import { findPresence } from '#catalogue/host-copies.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { findTreeBlobs } from '#catalogue/tree-blobs.ts'
import type { Digest } from '#oci/digest.ts'
import { type CrawlOptions, type CrawlTask, type CrawlTools, crawlHost } from './crawl-host.ts'
import { type CrawlRecord, urlsOf } from './host-records.ts'
import { judgeClaim, type Verdict } from './judge-claim.ts'
import { type TraceLimits, takeTrace } from './read-trace.ts'
import { requestCrawl } from './request-crawl.ts'

export type CheckInOptions = Omit<TraceLimits, 'idleMs' | 'totalMs' | 'family'> & {
  /** A claim that no crawl could decide for this long is refused. */
  readonly maxOpenMs: number
  /** Of a host that says it is whole, so many of the blobs it lacked are asked for again. */
  readonly maxRechecks: number
}

export type DecidingTools = CrawlTools & { readonly catalogue: Catalogue }
type Place = { readonly hostId: number; readonly channel: string }
/** More than anybody can have open at once. */
const mostOpen = 1000

export async function crawlAndDecide(
  task: CrawlTask,
  tools: DecidingTools,
  { crawl, checkIns }: { readonly crawl: CrawlOptions; readonly checkIns: CheckInOptions },
): Promise<CrawlRecord> {
  const { host, channel } = task
  const [base] = urlsOf(host, channel)
  const { signal } = tools
  const client: DecidingTools['client'] = { send: (asked) => tools.client.send({ ...asked, signal }) }
  const { idleMs, totalMs, family } = crawl
  const limits = { ...checkIns, idleMs, totalMs, family }
  const trace = base === undefined ? undefined : await takeTrace({ host, channel, base }, { ...tools, client }, limits)
  const place = { hostId: host.id, channel }
  const open = await listCheckIns(tools.catalogue, host.id, channel, { state: 'claimed', limit: mostOpen })
  const isSaidWhole = open.some((one) => !one.isPartial)
  const maxRechecks = isSaidWhole ? Math.max(crawl.maxRechecks, checkIns.maxRechecks) : crawl.maxRechecks
  const { firstRechecks = maxRechecks } = crawl
  const rechecks = { maxRechecks, firstRechecks: isSaidWhole ? maxRechecks : firstRechecks }
  const record = await crawlHost({ ...task, trace }, tools, { ...crawl, ...rechecks })
  if (!signal?.aborted) await decideAll(open, place, record, tools, checkIns)
  return record
}

async function decideAll(
  open: readonly CheckInRow[],
  place: Place,
  record: CrawlRecord,
  { catalogue, now }: DecidingTools,
  { maxOpenMs }: CheckInOptions,
): Promise<void> {
  if (open.length === 0) return
  const presence = await findPresence(catalogue, place.hostId, place.channel)
  const lacked = await findTreeBlobs(catalogue, place.channel, (presence?.missing ?? []) as readonly Digest[])
  const found = {
    record,
    settledGeneration: presence?.generation ?? 0,
    lackedGenerations: [...lacked.values()],
  }
  const nowMs = now()
  const verdicts = open.map((claim) => ({ claim, verdict: judgeClaim(claim, found, { nowMs, maxOpenMs }) }))
  await catalogue.transaction().execute(async (tx) => {
    const host = await tx.selectFrom('hosts').select('name').where('id', '=', place.hostId).executeTakeFirstOrThrow()
    for (const { claim, verdict } of verdicts) {
      if (verdict.state === 'claimed') continue
      const { state, provenGeneration, reason } = verdict
      const evidence = JSON.stringify(record.faults)
      const isDecided = await decideCheckIn(tx, claim, {
        state,
        provenGeneration,
        reason,
        evidence,
        decidedAtMs: nowMs,
      })
      if (isDecided) await emit(tx, eventOf(host.name, claim, verdict, { record, nowMs }))
    }
    // Blobs it lacked are found again, but not all were asked for yet.
    const isGoingOn = record.outcome === 'complete' || record.outcome === 'behind'
    if (isGoingOn && verdicts.some(({ verdict }) => verdict.state === 'claimed')) await requestCrawl(tx, place, nowMs)
  })
}

function eventOf(
  host: string,
  claim: CheckInRow,
  { state, provenGeneration, reason }: Verdict,
  { record, nowMs }: { readonly record: CrawlRecord; readonly nowMs: number },
) {
  return {
    type: state === 'accepted' ? ('host.check-in.accepted' as const) : ('host.check-in.refused' as const),
    subject: host,
    data: {
      host,
      channel: claim.channel,
      generation: claim.generation,
      provenGeneration,
      reason,
      source: claim.source,
      at: new Date(claim.atMs).toISOString(),
      ...(state === 'refused' ? { faults: record.faults } : {}),
    },
    atMs: nowMs,
  }
}
