// A front door's decision without its listener: the front door role puts one before it, the manager asks it to explain itself.

import { readFile } from 'node:fs/promises'
import type { Logger } from 'pino'
import { openBlobFile } from '#blobs/disk/open-blob-file.ts'
import type { Config } from '#config/config.ts'
import { ConfigError } from '#config/load-config.ts'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { type ClientRule, parseClientRules } from '#stages/redirect/client-kind.ts'
import type { ReportEvidence } from '#stages/redirect/evidence.ts'
import { FrontDoor, frontDefaults } from '#stages/redirect/front-door.ts'
import { followBlockChecks } from './follow-block-checks.ts'
import { followSnapshots, placesInFolder, type SnapshotPlaces } from './follow-snapshots.ts'
import { frontLimits } from './front-limits.ts'
import { tellsDecision } from './open-access-log.ts'
import type { Strangers } from './strangers.ts'

export type OpenFront = AsyncDisposable & {
  readonly front: FrontDoor
  /** Looks for news now. */
  followNow(): Promise<void>
}

export type FrontSurroundings = {
  /** Copies of the snapshots, of this process alone. */
  readonly kept: string
  readonly report: ReportEvidence
  readonly originUrl: string | undefined
  readonly strangers: Strangers
  /** Undefined: in the data folder. */
  readonly places?: SnapshotPlaces | undefined
}

export async function openFront(
  config: Config,
  log: Logger,
  { kept, report, originUrl, strangers, places = placesInFolder(config) }: FrontSurroundings,
): Promise<OpenFront> {
  const { settings } = config
  const { blobs } = places
  const { holder, follower } = await followSnapshots(config, log, { kept, places })
  const { blockChecks, follower: checksFollower } = followBlockChecks(
    config,
    log,
    places.isElsewhere ? { source: places.documents, folder: kept } : undefined,
  )
  const clientOptions = {
    userAgent: 'flotilla',
    ca: settings.hostCa === undefined ? undefined : await readFile(settings.hostCa, 'utf8'),
    // Probes need theirs while all streams read from one host.
    maxConnectionsPerHost: 64 + settings.streamTransfers,
  }
  const outbound = new OutboundClient({
    ...clientOptions,
    allowPrivate: settings.allowPrivateHosts || settings.demo,
  })
  // The operator's own address, wherever it is.
  const originOutbound = new OutboundClient({ ...clientOptions, allowPrivate: true })
  const front = new FrontDoor(
    {
      ...strangers,
      holder,
      report,
      now: Date.now,
      outbound,
      originOutbound,
      openBlob: blobs === undefined ? undefined : (digest, range) => openBlobFile(blobs, digest, range),
      blockChecks,
      onDamaged: (digest) => log.error({ digest }, 'our own bytes of a blob are damaged or gone: push it again'),
      random: Math.random,
    },
    {
      ...frontDefaults,
      ...frontLimits(config),
      choose: {
        ...frontDefaults.choose,
        allowHttpHosts: settings.allowHttpHosts,
        holdMs: settings.probeHold,
      },
      proofs: {
        ...frontDefaults.proofs,
        badForMs: settings.probeBackoff,
        maxRunning: settings.probes,
        maxRunningPerHost: settings.probesPerHost,
        maxRunningPerPrefix: settings.probesPerNetwork,
        maxHeld: settings.probeHeld,
        maxHeldPerPrefix: settings.probeHeldPerNetwork,
      },
      headroom: { hostShare: 1 / settings.frontDoors, aheadMs: settings.hostBacklog },
      originUrl,
      tellsDecision: tellsDecision(settings),
      isBehindTls: config.urls.frontdoor?.startsWith('https:') ?? config.tls !== undefined,
      clientRules:
        settings.clientPolicy === undefined ? frontDefaults.clientRules : await readClientRules(settings.clientPolicy),
    },
  )
  return {
    front,
    followNow: () => follower.runNow(),
    async [Symbol.asyncDispose]() {
      await follower.stop()
      await checksFollower.stop()
      await blockChecks[Symbol.asyncDispose]()
      await outbound[Symbol.asyncDispose]()
      await originOutbound[Symbol.asyncDispose]()
    },
  }
}

async function readClientRules(path: string): Promise<readonly ClientRule[]> {
  const text = await readFile(path, 'utf8')
  try {
    return parseClientRules(text)
  } catch (error) {
    throw new ConfigError(`client-policy: ${path}: ${(error as Error).message}`, { cause: error })
  }
}
