// Other front doors saw clients fail at a host: nobody is sent there until one probe from here has passed.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  digestOf,
  type FaultyHost,
  type FrontFixture,
  goodHost,
  layer,
  makeAsk,
  openFront,
  otherLayer,
  placed,
  startHost,
} from '../../../test/kit/front-door.ts'
import { waitUntil } from '../../../test/kit/wait-until.ts'
import { answerFront } from './answer-front.ts'

let folder: string
let fixture: FrontFixture
let hosts: FaultyHost[]
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'doubts-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))
beforeEach(async () => {
  fixture = await openFront(folder)
  hosts = await Promise.all([startHost(), startHost()])
})
afterEach(() => Promise.all(hosts.map((host) => host.stop())))

const paths = [`/v2/fedora/base/blobs/${digestOf(layer)}`, `/v2/other/blobs/${digestOf(otherLayer)}`] as const
let clients = 0

async function whereTo(path: string = paths[0]): Promise<string> {
  const from = `198.51.${clients++}.7`
  const answer = await answerFront(makeAsk(path, { 'x-forwarded-for': from }), fixture.front)
  return answer.status === 307 ? String(answer.headers.location).split('/blobs/')[0]! : 'origin'
}

/** Health of now, with the first host in doubt. */
function doubtSince(doubtSinceMs: number | undefined, count = 2): void {
  const there = hosts.slice(0, count)
  fixture.fleet(there.map(({ url }, i) => placed(i + 1, url)))
  const builtAtMs = ++fixture.clock.nowMs
  const well = { isAlive: true, reason: undefined, checkedAtMs: builtAtMs, roundTripMs: 1, circuit: 'closed' } as const
  const health = there.map((_, i) => ({ id: i + 1, ...well, ...(i === 0 && { strikes: 1, doubtSinceMs }) }))
  fixture.holder.takeHealth({ format: 1, version: builtAtMs, builtAtMs, hosts: health })
}
const probes = () => hosts[0]!.requests.length

test('a host that alone has the blob is asked for one block, however many clients and blobs wait for it', async () => {
  doubtSince(100, 1)
  const asked = Array.from({ length: 60 }, (_, i) => whereTo(paths[i % 2]))
  expect(new Set(await Promise.all(asked))).toEqual(new Set([hosts[0]!.url]))
  expect(probes()).toBe(1)
})

test('a doubt that is settled stays so, whatever else health tells; the next one is another', async () => {
  doubtSince(100, 1)
  await whereTo()
  for (const _ of Array(5)) {
    doubtSince(100, 1)
    for (const path of paths) await whereTo(path)
  }
  expect(probes()).toBe(1)
  doubtSince(undefined, 1)
  await whereTo()
  expect(probes()).toBe(1)
  // By a clock that was set back, even.
  doubtSince(50, 1)
  await whereTo()
  expect(probes()).toBe(2)
})

test('with another host at hand nobody waits: clients go there, and the one in doubt is probed behind their backs', async () => {
  doubtSince(100)
  hosts[0]!.fault = () => undefined
  const asked = await Promise.all(Array.from({ length: 40 }, (_, i) => whereTo(paths[i % 2])))
  expect(new Set(asked)).toEqual(new Set([hosts[1]!.url]))
  await waitUntil(() => fixture.front.counters.probesFailed === 1, { what: 'its silence is noted' })
  expect(probes()).toBe(1)
})

test('a probe that fails closes the host here and is told to the mirror role, as of the whole host', async () => {
  doubtSince(100, 1)
  hosts[0]!.fault = ({ response }) => response.writeHead(503).end()
  expect(await whereTo()).toBe('origin')
  expect(fixture.evidence).toMatchObject([{ kind: 'probe-failed', hostId: 1, isHostWide: true }])
  expect(await whereTo(paths[1])).toBe('origin')
  expect(probes()).toBe(1)
})

test('a host that lacks just the blob it is asked for is out of doubt, and out of the question for that blob', async () => {
  doubtSince(100, 1)
  hosts[0]!.fault = ({ response }) => response.writeHead(404).end()
  expect(await whereTo()).toBe('origin')
  expect(fixture.evidence).toMatchObject([{ kind: 'probe-failed', isHostWide: false }])
  // Having failed once it is asked before anything else is left to it.
  hosts[0]!.fault = goodHost
  expect(await whereTo(paths[1])).toBe(hosts[0]!.url)
  expect(await whereTo()).toBe('origin')
  expect(probes()).toBe(2)
})
