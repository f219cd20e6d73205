// Prometheus metrics: the process, the front door's counters, the queue.

import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Catalogue } from '#catalogue/schema.ts'
import type { OriginCounters } from '#stages/pull/origin-counters.ts'
import type { FrontDoor } from '#stages/redirect/front-door.ts'
import type { Expiries } from './read-expiries.ts'

const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

export type MetricsParts = {
  readonly front?: FrontDoor | undefined
  readonly origin?: OriginCounters | undefined
  readonly catalogue?: Catalogue | undefined
  /** Of what this installation signs. */
  readonly expiries?: (() => Promise<Expiries>) | undefined
}

export function makeMetrics({ front, origin, catalogue, expiries }: MetricsParts): () => Promise<Response> {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'flotilla_' })
  if (front) {
    addCounters(registry, 'frontdoor', front.counters)
    addGenerationGauge(registry, front)
  }
  if (origin) addCounters(registry, 'origin', origin)
  if (catalogue) addJobGauge(registry, catalogue)
  if (expiries) addExpiries(registry, expiries)
  return async () => new Response(await registry.metrics(), { headers: { 'content-type': registry.contentType } })
}

/** The hot path adds to plain numbers; they become counters when somebody looks. */
function addCounters(
  registry: Registry,
  role: 'frontdoor' | 'origin',
  counters: Readonly<Record<string, number>>,
): void {
  for (const name of Object.keys(counters)) {
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
    help: 'seconds until the root of trust expires; below 0: nobody takes anything new',
    registers: [registry],
    async collect() {
      const { rootInSeconds } = await expiries()
      this.reset()
      if (rootInSeconds !== undefined) this.set(rootInSeconds)
    },
  })
  new Gauge({
    name: 'flotilla_timestamp_expires_seconds',
    help: 'seconds until the timestamp of a published tree expires; it is signed anew when half of its life is over',
    labelNames: ['channel'],
    registers: [registry],
    async collect() {
      const { timestamps } = await expiries()
      this.reset()
      for (const { channel, inSeconds } of timestamps) this.set({ channel }, inSeconds)
    },
  })
}
