// `explain`, then the request itself, in states that random clients, hosts and times have made: both say the same.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import {
  config,
  digestOf,
  empty,
  type FaultyHost,
  type FrontFixture,
  goodHost,
  layer,
  makeAsk,
  manifest,
  openFront,
  otherLayer,
  placed,
  startHost,
} from '../../../test/kit/front-door.ts'
import { answerFront } from './answer-front.ts'
import { explainBlob } from './explain-blob.ts'

let folder: string
let hosts: FaultyHost[]
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'explain-'))
  hosts = await Promise.all([1, 2, 3, 4].map(() => startHost()))
})
afterAll(async () => {
  for (const host of hosts) await host.stop()
  await rm(folder, { recursive: true, force: true })
})

const blobs = { layer, config, empty, manifest, otherLayer }
const agents = [
  undefined,
  'podman/5.0',
  'containerd/1.6.20',
  'docker/28.5.2 go/go1.24.8',
  'skopeo/1.18.0',
  'crane/0.20.7',
]
const ranges = [
  undefined,
  undefined,
  'bytes=0-',
  'bytes=0-99',
  'bytes=1048576-',
  'bytes=5000-',
  'bytes=1-2,4-5',
  'nonsense',
]

const ask = fc.record({
  kind: fc.constant('ask' as const),
  client: fc.integer({ min: 1, max: 2 }),
  isIpv6: fc.constantFrom(false, false, false, false, true),
  blob: fc.constantFrom(...new Array<'layer'>(14).fill('layer'), 'config', 'empty', 'manifest', 'otherLayer'),
  range: fc.constantFrom(...ranges),
  agent: fc.constantFrom(...agents),
  isTls: fc.boolean(),
  method: fc.constantFrom(...new Array(9).fill('GET'), 'HEAD'),
})
const pass = fc.record({
  kind: fc.constant('pass' as const),
  ms: fc.constantFrom(10, 500, 1999, 2000, 2500, 40_000, 70_000, 250_000, 310_000),
})
const fleet = fc.record({
  kind: fc.constant('fleet' as const),
  /** Of each host; undefined: it is not there. */
  states: fc.array(
    fc.option(
      fc.record({
        grade: fc.constantFrom('gold', 'gold', 'proven', 'probation'),
        isAlive: fc.constantFrom(...new Array(6).fill(true), false),
        circuit: fc.constantFrom(...new Array(8).fill('closed'), 'open', 'draining'),
        isLacking: fc.constantFrom(...new Array(6).fill(false), true),
        country: fc.constantFrom(undefined, 'DE', 'FR'),
      }),
    ),
    { minLength: 4, maxLength: 4 },
  ),
  isOld: fc.constantFrom(false, false, false, true),
})
const faults = fc.record({
  kind: fc.constant('faults' as const),
  good: fc.array(fc.constantFrom(true, true, false), { minLength: 4, maxLength: 4 }),
})
type Act = typeof ask | typeof pass | typeof fleet | typeof faults extends fc.Arbitrary<infer T> ? T : never

/** Takes what a world was like, and comes to the same step by the same host as `explain` had said. */
async function act(fixture: FrontFixture, one: Act): Promise<string | undefined> {
  const { clock, front, holder } = fixture
  if (one.kind === 'pass') clock.nowMs += one.ms
  else if (one.kind === 'faults') {
    for (const [i, isGood] of one.good.entries())
      hosts[i]!.fault = isGood ? goodHost : ({ response }) => response.writeHead(404).end()
  } else if (one.kind === 'fleet') {
    const there = one.states.flatMap((state, i) => (state ? [{ ...state, id: i + 1, url: hosts[i]!.url }] : []))
    const builtAtMs = clock.nowMs - (one.isOld ? 120_000 : 0)
    const version = holder.current.fleet.placement.version + 1
    holder.takePlacement({
      format: 1,
      version,
      builtAtMs,
      channel: 'stable',
      hosts: there.map(({ id, url, grade, isLacking, country }) => {
        return placed(id, url, { grade, country, missing: isLacking ? [digestOf(layer)] : [] })
      }),
    })
    const health = { reason: undefined, checkedAtMs: builtAtMs, roundTripMs: 1 }
    holder.takeHealth({
      format: 1,
      version,
      builtAtMs,
      hosts: there.map(({ id, isAlive, circuit }) => ({ id, isAlive, circuit, ...health })),
    })
  } else {
    const digest = digestOf(blobs[one.blob as keyof typeof blobs])
    const ip = one.isIpv6 ? `2001:db8:${one.client}::1` : `192.0.${one.client}.1`
    const { range, agent, isTls } = one
    const method = one.method as 'GET' | 'HEAD'
    const explained = explainBlob({ ip, digest, range, userAgent: agent, isTls, method }, front)!
    const headers = {
      'x-forwarded-for': ip,
      ...(range === undefined ? {} : { range }),
      ...(agent === undefined ? {} : { 'user-agent': agent }),
    }
    const repository = one.blob === 'otherLayer' ? 'other' : 'fedora/base'
    const request = { ...makeAsk(`/v2/${repository}/blobs/${digest}`, headers, method), isTls }
    const answer = await answerFront(request, front)
    const decision = answer.headers['flotilla-decision'] as string
    const said = JSON.stringify(explained.decision)
    if (explained.step !== 'held') expect(`said ${said}`).toBe(`said ${JSON.stringify(decision)}`)
    else if (answer.status === 307) {
      const [, name] = /^held; host=([^;]+); tier=[a-z-]+; proof=probe$/.exec(decision) ?? []
      expect(explained.answer).toContain(name ?? `a held host, not ${decision}`)
      expect(explained.candidates.map((candidate) => candidate.name)).toContain(name!)
    } else expect(decision).toBe('origin; reason=not-proven')
    if (decision.startsWith('host') || decision.startsWith('same'))
      expect(String(answer.headers.location)).toStartWith(/307 to (\S+?),?(?: |$)/.exec(explained.answer)![1]!)
    return decision.replace(/; (?:host|tier)=[^;]+/g, '')
  }
  return undefined
}

test('what explain says is what the front door does', async () => {
  const seen = new Map<string, number>()
  const acts = fc.array(
    fc.oneof(
      { weight: 10, arbitrary: ask },
      { weight: 2, arbitrary: pass },
      { weight: 1, arbitrary: fleet },
      { weight: 1, arbitrary: faults },
    ),
    { minLength: 40, maxLength: 80, size: 'max' },
  )
  await fc.assert(
    fc.asyncProperty(acts, async (all) => {
      for (const host of hosts) host.fault = goodHost
      const countryOf = ({ family }: { readonly family: 4 | 6 }) => (family === 4 ? 'DE' : 'FR')
      const fixture = await openFront(folder, {
        options: { tellsDecision: true },
        parts: { places: { countryOf, asnOf: () => undefined } },
      })
      fixture.fleet(hosts.map(({ url }, i) => placed(i + 1, url)))
      try {
        for (const one of all) {
          const step = await act(fixture, one as Act)
          if (step !== undefined) seen.set(step, (seen.get(step) ?? 0) + 1)
        }
      } finally {
        await fixture.outbound[Symbol.asyncDispose]()
      }
    }),
    { numRuns: 60 },
  )
  console.log(`steps seen: ${[...seen].map(([step, count]) => `${step} ${count}`).join(', ')}`)
  // Each way to decide was taken, or the test says less than it seems.
  for (const decision of [
    'unknown',
    'told',
    'packed',
    'host; proof=snapshot',
    'host; proof=probe',
    'same; proof=snapshot',
    'held; proof=probe',
    'origin; reason=no-host',
    'origin; reason=not-proven',
    'origin; reason=after-round',
  ])
    expect([...seen.keys()]).toContain(decision)
})
