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
import { blobAdmission } from '#stages/pull/admit-blob.ts'
import { answerNext } from '#stages/pull/answer-next.ts'
import { answerTree } from '#stages/pull/answer-tree.ts'
import { Askers } from '#stages/pull/asker.ts'
import { GenerationWaiters } from '#stages/pull/generation-waiters.ts'
import { makeOriginCounters, type OriginCounters } from '#stages/pull/origin-counters.ts'
import { ReplicaGate } from '#stages/pull/replica-gate.ts'
import { ReplicaStreams } from '#stages/pull/replica-streams.ts'
import { followFleet, followPace, together } from './follow-snapshots.ts'
import { originOptions } from './origin-defaults.ts'
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

export async function startOrigin(config: Config, log: Logger, strangers: Strangers): Promise<OriginRole> {
  const { settings } = config
  const { host, port } = config.listen.origin
  let isStopping = false
  const notReady = () => (isStopping ? 'stopping' : undefined)
  const counters = makeOriginCounters()
  const rush = await openRush(config, log, { strangers, counters, port })
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

type RushParts = { readonly strangers: Strangers; readonly counters: OriginCounters; readonly port: number }
type Rush = { readonly handler: Handler; followNow(): Promise<void>; stop(): Promise<void> }

/** The handler of the trees, with a gate and waiters for each channel. */
async function openRush(config: Config, log: Logger, { strangers, counters, port }: RushParts): Promise<Rush> {
  const { settings, publicChannel } = config
  const options = originOptions(config)
  const [now, random] = [Date.now, Math.random]
  const logError = (error: unknown) => log.warn({ err: error }, 'the origin could not take what is new; it goes on')
  const holder = new SnapshotHolder(publicChannel)
  const kept = join(config.data, 'origin', String(port))
  await makeFolder(kept)
  const steps = await followFleet({ config, holder, kept, log: logError })
  const streams = new ReplicaStreams(options.streams, now)
  const originUrl = config.urls.origin
  const channels = settings.publicChannels.map((channel) => {
    const folder = join(config.tree, channel)
    const tree = watchOwnTree(folder, channel, { now, log: logError })
    // The mirror role keeps watch over the hosts of the channel that front doors serve.
    const fleet = () => (channel === publicChannel ? holder.current.fleet : undefined)
    const parts = { fleet, currentGeneration: tree.currentGeneration, random, now }
    const gate = new ReplicaGate(
      { ...parts, generationOf: tree.generationOf, streams, counters },
      { ...options.gate, originUrl },
    )
    const waiters = new GenerationWaiters({ ...parts, rankOf: (replica) => gate.rankOf(replica) }, options.waiters)
    steps.push(tree.look)
    return { channel, folder, gate, waiters }
  })
  const follower = together(
    steps.map((step) => startFollower(step, { ...followPace, random: Math.random, log: logError })),
  )
  await follower.runNow()
  const timer = setInterval(() => {
    streams.cutStalled(now())
    for (const { waiters } of channels) waiters.tick()
  }, tickMs)
  const byName = new Map(channels.map((one) => [one.channel, one]))
  const served = byName.get(publicChannel)!
  byName.delete(publicChannel)
  const find = (channel: string | undefined) => (channel === undefined ? served : byName.get(channel))
  const tickets = new Tickets(strangers.ticketKey, ticketLifeMs)
  const isBehindTls = originUrl?.startsWith('https:') ?? config.tls !== undefined
  const askers = new Askers({ ...strangers, tickets, isBehindTls, now }, options.askers)
  const tree = answerTree({
    folder: served.folder,
    channelFolders: new Map([...byName].map(([channel, { folder }]) => [channel, folder])),
    admitBlob: blobAdmission({ askers, counters, gateOf: (channel) => find(channel)!.gate }),
  })
  const next = { askers, counters, random, waitersOf: (channel: string | undefined) => find(channel)?.waiters }
  return {
    handler: (ask) => answerNext(ask, next) ?? tree(ask),
    followNow: () => follower.runNow(),
    async stop() {
      clearInterval(timer)
      await follower.stop()
      for (const { waiters } of channels) waiters.stop()
    },
  }
}
