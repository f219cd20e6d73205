// A host says that its copy is complete, by the API or by its trace. What it says is kept as a claim, which a crawl decides.

import {
  addCheckIn,
  type CheckInRow,
  findLastCheckIn,
  keptCheckIns,
  listCheckInTimes,
  type NewCheckIn,
  saveFinished,
} from '#catalogue/check-ins.ts'
import { findLatestGeneration } from '#catalogue/generations.ts'
import { lockHost } from '#catalogue/hosts.ts'
import type { Tx } from '#catalogue/schema.ts'
import { RegistryError } from '#oci/errors.ts'

export type Claim = Omit<NewCheckIn, 'atMs' | 'detail'> & { readonly software: string | undefined }

export type ClaimLimits = {
  /** New ones of one host, over all channels. */
  readonly maxPerHour: number
}

export type TakenClaim = {
  readonly checkIn: CheckInRow
  /** False: the last one said the same, and is not refused. */
  readonly isNew: boolean
}

const hourMs = 3_600_000

/** Throws RegistryError: CONFLICT for a generation that is not published, TOOMANYREQUESTS with Retry-After for a flood. */
export async function takeClaim(tx: Tx, claim: Claim, limits: ClaimLimits, nowMs: number): Promise<TakenClaim> {
  await lockHost(tx, claim.hostId)
  const latest = (await findLatestGeneration(tx, claim.channel, 'published'))?.number ?? 0
  if (claim.generation > latest) throw new RegistryError('CONFLICT', notPublished(claim, latest))
  const last = await findLastCheckIn(tx, claim.hostId, claim.channel)
  if (last && saysTheSame(last, claim)) {
    if ((claim.finishedAtMs ?? 0) > (last.finishedAtMs ?? 0)) await saveFinished(tx, last, claim.finishedAtMs!)
    return { checkIn: last, isNew: false }
  }
  await refuseFlood(tx, claim.hostId, limits, nowMs)
  const { software, ...said } = claim
  const checkIn = await addCheckIn(tx, { ...said, atMs: nowMs, detail: JSON.stringify({ software }) })
  return { checkIn, isNew: true }
}

function notPublished({ channel, generation }: Claim, latest: number): string {
  const state = latest === 0 ? 'nothing of it is published yet' : `its latest generation is ${latest}`
  return `generation ${generation} of ${channel} cannot be complete anywhere: ${state}; name the generation that was copied`
}

/** A refused one may be made again: the copy may have been repaired. */
function saysTheSame(last: CheckInRow, claim: Claim): boolean {
  return last.state !== 'refused' && last.generation === claim.generation && last.isPartial === claim.isPartial
}

async function refuseFlood(tx: Tx, hostId: number, { maxPerHour }: ClaimLimits, nowMs: number): Promise<void> {
  // No more than are kept can be counted.
  const most = Math.min(maxPerHour, keptCheckIns)
  const times = await listCheckInTimes(tx, hostId, nowMs - hourMs)
  const leaves = times.at(-most)
  if (leaves === undefined) return
  const seconds = Math.max(1, Math.ceil((leaves + hourMs - nowMs) / 1000))
  throw new RegistryError(
    'TOOMANYREQUESTS',
    `this host has made ${times.length} new check-ins within an hour, and ${most} are taken; again in ${seconds} s. A copy that did not change needs no new one`,
    { headers: { 'retry-after': String(seconds) } },
  )
}
