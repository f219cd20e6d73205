// The origin: the published trees, and the order in which machines that copy them get what is new. What it knows of hosts it follows
// from the snapshots; without any it serves all the same.

import { join } from 'node:path'
import type { Logger } from 'pino'
import { Tickets, ticketLifeMs } from '#access/ticket.ts'
import type { Config } from '#config/config.ts'
import type { Handler } from '#http/listener.ts'
import { listen } from '#http/serve-bun.ts'
import { makeFolder } from '#kit/atomic-file.ts'
import { startFollower } from '#snapshots/follower.ts'
import { SnapshotHolder } from '#snapshots/holder.ts'
import type { SnapshotSource } from '#snapshots/snapshot-source.ts'
import { blobAdmission } from '#stages/pull/admit-blob.ts'
import { answerNext } from '#stages/pull/answer-next.ts'
import { answerTree } from '#stages/pull/answer-tree.ts'
import { Askers } from '#stages/pull/asker.ts'
import { GenerationWaiters } from '#stages/pull/generation-waiters.ts'
import { makeOriginCounters, type OriginCounters } from '#stages/pull/origin-counters.ts'
import { ReplicaGate } from '#stages/pull/replica-gate.ts'
import { ReplicaStreams } from '#stages/pull/replica-streams.ts'
import { followFleet, followPace, placesInFolder, type SnapshotPlaces, together } from './follow-snapshots.ts'
import { originLimits } from './origin-defaults.ts'
import { watchOwnTree } from './own-tree.ts'
import type { Role } from './role.ts'
import type { Strangers } from './strangers.ts'
import { withProbes } from './with-probes.ts'

export type OriginRole = Role & {
  readonly counters: OriginCounters
  /** Looks for news now. */
  followNow(): Promise<void>
}

/** How exactly waves and the end of a hold are kept. */
const tickMs = 250
const [now, random] = [Date.now, Math.random]

/** `places`: where hosts are followed, where it is not the data folder. */
export async function startOrigin(
  config: Config,
  log: Logger,
  strangers: Strangers,
  places: Pick<SnapshotPlaces, 'documents'> = placesInFolder(config),
): Promise<OriginRole> {
  const { settings } = config
  const { host, port } = config.listen.origin
  let isStopping = false
  const notReady = () => (isStopping ? 'stopping' : undefined)
  const counters = makeOriginCounters()
  const rush = await openRush(config, log, { strangers, counters, port, source: places.documents })
  const listener = listen(withProbes(rush.handler, notReady), {
    host,
    port,
    tls: config.tls,
    stallMs: settings.stall,
    maxBodyBytes: 0,
    log: (error) => log.error({ err: error }, 'a request to the origin failed'),
  })
  return {
    name: 'origin',
    counters,
    followNow: rush.followNow,
    listeners: { origin: listener },
    notReady,
    async stop() {
      isStopping = true
      await rush.stop()
      await listener.stop(settings.drain)
    },
  }
}

type Channel = {
  readonly name: string
  readonly folder: string
  readonly gate: ReplicaGate
  readonly waiters: GenerationWaiters
}
type RushParts = {
  readonly strangers: Strangers
  readonly counters: OriginCounters
  readonly port: number
  readonly source: SnapshotSource
}
type Rush = { readonly handler: Handler; followNow(): Promise<void>; stop(): Promise<void> }

/** The handler of the trees, and what keeps its knowledge and its waiters going. */
async function openRush(config: Config, log: Logger, { strangers, counters, port, source }: RushParts): Promise<Rush> {
  const limits = originLimits(config)
  const logError = (error: unknown) => log.warn({ err: error }, 'the origin could not take what is new; it goes on')
  const holder = new SnapshotHolder(config.publicChannel)
  const kept = join(config.data, 'origin', String(port))
  await makeFolder(kept)
  const steps = await followFleet({ config, holder, source, kept, log: logError })
  const streams = new ReplicaStreams(limits.streams, now)
  const channels = config.settings.publicChannels.map((name): Channel => {
    const folder = join(config.tree, name)
    const tree = watchOwnTree(folder, name, { now, log: logError })
    steps.push(tree.look)
    // The mirror role keeps watch over the hosts of the channel that front doors serve.
    const fleet = () => (name === config.publicChannel ? holder.current.fleet : undefined)
    const parts = { ...tree, fleet, streams, counters, random, now }
    const gate = new ReplicaGate(parts, { ...limits.gate, originUrl: config.urls.origin })
    const waiters = new GenerationWaiters({ ...parts, rankOf: (replica) => gate.rankOf(replica) }, limits.waiters)
    return { name, folder, gate, waiters }
  })
  const follower = together(steps.map((step) => startFollower(step, { ...followPace, random, log: logError })))
  await follower.runNow()
  const timer = setInterval(() => {
    streams.cutStalled(now())
    for (const { waiters } of channels) waiters.tick()
  }, tickMs)
  return {
    handler: answerOrigin(config, channels, { askers: openAskers(config, strangers), counters }),
    followNow: () => follower.runNow(),
    async stop() {
      clearInterval(timer)
      await follower.stop()
      for (const { waiters } of channels) waiters.stop()
    },
  }
}

function openAskers(config: Config, strangers: Strangers): Askers {
  const tickets = new Tickets(strangers.ticketKey, ticketLifeMs)
  const isBehindTls = config.urls.origin?.startsWith('https:') ?? config.tls !== undefined
  return new Askers({ ...strangers, tickets, isBehindTls, now }, originLimits(config).askers)
}

type AnswerParts = { readonly askers: Askers; readonly counters: OriginCounters }

/** The channel of the front doors at `/`, the others at `/channels/<name>/`. */
function answerOrigin(config: Config, channels: readonly Channel[], { askers, counters }: AnswerParts): Handler {
  const served = channels.find(({ name }) => name === config.publicChannel)!
  const others = new Map(channels.filter((one) => one !== served).map((one) => [one.name, one]))
  const find = (name: string | undefined) => (name === undefined ? served : others.get(name))
  const tree = answerTree({
    folder: served.folder,
    channelFolders: new Map([...others].map(([name, { folder }]) => [name, folder])),
    admitBlob: blobAdmission({ askers, counters, gateOf: (name) => find(name)!.gate }),
  })
  const next = { askers, counters, random, waitersOf: (name: string | undefined) => find(name)?.waiters }
  return (ask) => answerNext(ask, next) ?? tree(ask)
}
