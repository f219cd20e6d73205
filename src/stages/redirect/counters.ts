// What the front door did, as plain numbers: they are added to on the hot path and read by whoever draws metrics.
import type { HostGrade } from '#snapshots/placement.ts'
import { type Step, steps } from './decision.ts'
import type { Evidence } from './evidence.ts'

export type FrontCounters = {
  manifests: number
  lists: number
  /** HEAD of a blob, or a 304. */
  blobHeads: number
  smallBlobs: number
  /** Configs that no pack carries, served here or sent to the origin. */
  largeConfigs: number
  redirects: number
  /** Redirects that waited for a proof. */
  heldRedirects: number
  /** Blobs served here or sent to the origin, by reason. */
  originNoHost: number
  originNotProven: number
  originAfterRound: number
  originMiss: number
  originFailed: number
  /** The class of the client is kept from hosts, or is in stream mode and asked for a part. */
  originByPolicy: number
  /** The origin was at its limits: sent to a farther host; let in after waiting; refused (503); hung up while waiting. */
  originFarther: number
  originWaited: number
  originRefused: number
  originLeft: number
  /** Blobs that went through here from hosts, and what became of them. */
  streams: number
  streamsOverBudget: number
  streamedBytes: number
  /** What was read for them, by who sent it; more than was passed on where something had to be read again. */
  streamHostBytes: number
  streamOriginBytes: number
  /** A stream went on, or began, at another source. */
  streamSwitches: number
  streamHostFailures: number
  /** The last resort: our own bytes, or the origin's. */
  streamsFromOrigin: number
  /** The whole did not have its digest, whether that could be mended or not. */
  streamsWrong: number
  /** Ended before their end: the client hung up, no source was left, or wrong bytes had been sent. */
  streamsCut: number
  /** Body bytes of local answers, as promised in their lengths. */
  localBytes: number
  forgedMisses: number
  /** Pulls of blobs that travel, as the popularity list knows them: once per prefix, blob and window. */
  pullsCounted: number
  /** Pulls that the list will lack, because too many blobs waited to be handed over. */
  pullsNotKept: number
  withdrawn: number
  refused: number
  probesPassed: number
  /** Of those, the ones where nothing here told what the bytes must be. */
  probesNotCompared: number
  probesFailed: number
  /** Not made, because too many were running. */
  probesSkipped: number
  /** Own bytes that a host differed from and that turned out to be the wrong ones. */
  ownBlobsDamaged: number
  /** Sent to the origin because too many were held. */
  heldTooMany: number
}

/** Numbers by words of a closed list: the labels of metrics. */
export type FrontTallies = {
  readonly steps: Record<Step, number>
  readonly redirects: Record<HostGrade, number>
  readonly redirectedBytes: Record<HostGrade, number>
  readonly evidence: Record<Evidence['kind'], number>
}

export function makeTallies(): FrontTallies {
  return {
    steps: Object.fromEntries(Object.keys(steps).map((step) => [step, 0])) as Record<Step, number>,
    redirects: { gold: 0, proven: 0, probation: 0 },
    redirectedBytes: { gold: 0, proven: 0, probation: 0 },
    evidence: { resume: 0, miss: 0, 're-ask': 0, 'probe-passed': 0, 'wrong-bytes': 0, return: 0, 'probe-failed': 0 },
  }
}

export function makeCounters(): FrontCounters {
  return {
    manifests: 0,
    lists: 0,
    blobHeads: 0,
    smallBlobs: 0,
    largeConfigs: 0,
    redirects: 0,
    heldRedirects: 0,
    originNoHost: 0,
    originNotProven: 0,
    originAfterRound: 0,
    originMiss: 0,
    originFailed: 0,
    originByPolicy: 0,
    originFarther: 0,
    originWaited: 0,
    originRefused: 0,
    originLeft: 0,
    streams: 0,
    streamsOverBudget: 0,
    streamedBytes: 0,
    streamHostBytes: 0,
    streamOriginBytes: 0,
    streamSwitches: 0,
    streamHostFailures: 0,
    streamsFromOrigin: 0,
    streamsWrong: 0,
    streamsCut: 0,
    localBytes: 0,
    forgedMisses: 0,
    pullsCounted: 0,
    pullsNotKept: 0,
    withdrawn: 0,
    refused: 0,
    probesPassed: 0,
    probesNotCompared: 0,
    probesFailed: 0,
    probesSkipped: 0,
    ownBlobsDamaged: 0,
    heldTooMany: 0,
  }
}
