// Prometheus metrics: the process, the front door's counters, the queue.

import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Catalogue } from '#catalogue/schema.ts'
import type { OriginCounters } from '#stages/pull/origin-counters.ts'
import type { FrontDoor } from '#stages/redirect/front-door.ts'
import { addFrontTallies } from './front-metrics.ts'
import type { AccessLog } from './open-access-log.ts'
import type { Expiries } from './read-expiries.ts'
import type { TreeWatch } from './tree-watch.ts'

const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

export type MetricsParts = {
  readonly front?: FrontDoor | undefined
  readonly accessLog?: Pick<AccessLog, 'dropped'> | undefined
  /** Of the tree that is followed here. */
  readonly tree?: Pick<TreeWatch, 'refused' | 'expiresAtMs'> | undefined
  readonly origin?: OriginCounters | undefined
  readonly catalogue?: Catalogue | undefined
  /** Of what this installation signs. */
  readonly expiries?: (() => Promise<Expiries>) | undefined
}

export function makeMetrics({
  front,
  accessLog,
  tree,
  origin,
  catalogue,
  expiries,
}: MetricsParts): () => Promise<Response> {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'flotilla_' })
  if (front) {
    addCounters(registry, 'frontdoor', front.counters)
    addFrontTallies(registry, front)
    addGenerationGauge(registry, front)
    addTransferGauges(registry, front)
  }
  if (accessLog) addCounters(registry, 'access_log', accessLog, ['dropped'])
  if (tree) addTreeGauges(registry, tree)
  if (origin) addCounters(registry, 'origin', origin)
  if (catalogue) addJobGauge(registry, catalogue)
  if (expiries) addExpiries(registry, expiries)
  return async () => new Response(await registry.metrics(), { headers: { 'content-type': registry.contentType } })
}

/** The hot path adds to plain numbers; they become counters when somebody looks. */
function addCounters(
  registry: Registry,
  role: 'frontdoor' | 'origin' | 'access_log',
  counters: Readonly<Record<string, number>>,
  names: readonly string[] = Object.keys(counters),
): void {
  for (const name of names) {
    let told = 0
    new Counter({
      name: `flotilla_${role}_${snake(name)}_total`,
      help: `${role}: ${snake(name).replaceAll('_', ' ')}`,
      registers: [registry],
      collect() {
        const count = counters[name]!
        this.inc(count - told)
        told = count
      },
    })
  }
}

function addGenerationGauge(registry: Registry, front: FrontDoor): void {
  new Gauge({
    name: 'flotilla_frontdoor_generation',
    help: 'generation that the front door serves',
    registers: [registry],
    collect() {
      this.set(front.parts.holder.current.publication?.generation ?? 0)
    },
  })
}

function addTransferGauges(registry: Registry, { origin, streams }: FrontDoor): void {
  const gauges = [
    ['origin_transfers', 'layers that leave the front door as origin now', () => origin.running],
    ['origin_waiting', 'clients that wait for room in the budget of the origin', () => origin.waiting],
    ['stream_transfers', 'layers that come through the front door from hosts now', () => streams.running],
  ] as const
  for (const [name, help, read] of gauges) {
    new Gauge({
      name: `flotilla_frontdoor_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(read())
      },
    })
  }
}

function addTreeGauges(registry: Registry, tree: NonNullable<MetricsParts['tree']>): void {
  new Gauge({
    name: 'flotilla_frontdoor_tree_refused',
    help: '1 while the newest of the tree is refused for this reason; what was taken before is served on',
    labelNames: ['reason'],
    registers: [registry],
    collect() {
      this.reset()
      if (tree.refused) this.set({ reason: tree.refused.reason }, 1)
    },
  })
  new Gauge({
    name: 'flotilla_timestamp_expires_seconds',
    help: 'when the timestamp of the tree expires, in seconds since 1970; alarm when it is past',
    registers: [registry],
    collect() {
      if (tree.expiresAtMs !== undefined) this.set(tree.expiresAtMs / 1000)
    },
  })
}

function addJobGauge(registry: Registry, catalogue: Catalogue): void {
  new Gauge({
    name: 'flotilla_jobs',
    help: 'jobs by kind and state; those that are over only for as long as they are kept',
    labelNames: ['kind', 'state'],
    registers: [registry],
    async collect() {
      const rows = await catalogue
        .selectFrom('jobs')
        .select((select) => ['kind', 'state', select.fn.countAll().as('count')])
        .groupBy(['kind', 'state'])
        .execute()
      this.reset()
      for (const { kind, state, count } of rows) this.set({ kind, state }, Number(count))
    },
  })
}

function addExpiries(registry: Registry, expiries: () => Promise<Expiries>): void {
  new Gauge({
    name: 'flotilla_root_expires_seconds',
    help: 'when the root of trust expires, in seconds since 1970; past it nobody takes anything new',
    registers: [registry],
    async collect() {
      const { rootSeconds } = await expiries()
      this.reset()
      if (rootSeconds !== undefined) this.set(rootSeconds)
    },
  })
  new Gauge({
    name: 'flotilla_timestamp_expires_seconds',
    help: 'when the timestamp of a published tree expires, in seconds since 1970; it is signed anew when half of its life is over',
    labelNames: ['channel'],
    registers: [registry],
    async collect() {
      const { timestamps } = await expiries()
      this.reset()
      for (const { channel, seconds } of timestamps) this.set({ channel }, seconds)
    },
  })
}
