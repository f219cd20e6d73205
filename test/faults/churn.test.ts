// Six of twenty hosts are broken at any moment, in ways and places that change every few seconds, and nobody who pulls may notice.
// SIM_PULLS=2000 is the whole; clocks run ten times as fast as in production, but for the changes themselves.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { setTimeout as pause } from 'node:timers/promises'
import { dockerAgent, type Pulled, pullBlob, type ScriptedClient } from '../kit/scripted-client.ts'
import { seeded } from '../kit/seeded.ts'
import { SimFleet } from '../kit/sim-fleet.ts'
import { hostFaults, type SimHost } from '../kit/sim-host.ts'
import { waitUntil } from '../kit/wait-until.ts'

const pulls = Number(process.env.SIM_PULLS ?? 800)
const haste = 10
const brokenShare = 0.3
const changeMs = 3_000
const everyMs = 25
const layersPerPull = 2
/** A proof counts this long: 200 ms in production. */
const freshMs = 200 / haste

const fragileAgent = 'containerd/1.6.20~ds1'
const unknownAgent = 'curl/8.14.1'
const random = seeded(4)
let fleet: SimFleet

beforeAll(async () => {
  fleet = await SimFleet.start({ hosts: 20, gold: 6, blobs: 40, blobBytes: 70_000, haste })
  await fleet.watch()
})
afterAll(() => fleet[Symbol.asyncDispose]())

async function breakSome(): Promise<void> {
  const order = fleet.hosts.map((host) => ({ host, key: random() })).sort((a, b) => a.key - b.key)
  const broken = Math.round(fleet.hosts.length * brokenShare)
  const anyFault = () => hostFaults[Math.floor(random() * hostFaults.length)]!
  await Promise.all(order.map(({ host }, i) => host.setMode(i < broken ? anyFault() : 'good')))
}

/** The fleet has been like this for a while: no host is without a failure in the last minutes. */
async function breakAllOnce(): Promise<void> {
  await waitUntil(
    async () => {
      const { byId } = fleet.holder.current.fleet.health
      if ([...byId.values()].every(({ isShaky }) => isShaky)) return true
      await breakSome()
      return false
    },
    { what: 'every host has failed once', everyMs: 1_000 },
  )
}

type Outcome = { readonly client: ScriptedClient; readonly pulled: Pulled }

function clientOf(n: number): ScriptedClient {
  const manner = n % 2 === 0 ? 'docker' : 'once'
  const ownAgent = manner === 'docker' ? dockerAgent : unknownAgent
  return {
    manner,
    userAgent: n % 4 < 2 ? fragileAgent : ownAgent,
    address: `10.${n >> 8}.${n & 255}.7`,
    haste,
    silenceMs: 8_000,
  }
}

async function pullAll(): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  const pull = async (client: ScriptedClient) => {
    for (let i = 0; i < layersPerPull; i++) {
      const { digest, sizeBytes } = fleet.tree.blobs[Math.floor(random() * fleet.tree.blobs.length)]!
      const wanted = { frontUrl: fleet.url, path: fleet.pathOf(digest), digest, sizeBytes }
      outcomes.push({ client, pulled: await pullBlob(client, wanted) })
    }
  }
  const running: Promise<unknown>[] = []
  for (let n = 0; n < pulls; n++) {
    running.push(pull(clientOf(n)))
    await pause(everyMs)
  }
  await Promise.all(running)
  return outcomes
}

/** How long before a failed ask, in ms, the fault began that it met; negative: after the ask. Undefined: there was none. */
function faultAge({ opens }: Pulled): number | undefined {
  const { location, askedMs, endedMs } = opens.at(-1)!
  const host: SimHost | undefined = fleet.hosts.find(({ url }) => location?.startsWith(`${url}/`))
  const met = host?.modes.findLast(({ mode, sinceMs }) => mode !== 'good' && sinceMs <= endedMs)
  return met && askedMs - met.sinceMs
}

test('pulls through a fleet of which a third is always broken', async () => {
  await breakAllOnce()
  const changing = setInterval(() => void breakSome(), changeMs)
  const outcomes = await pullAll()
  clearInterval(changing)
  const sum = (read: (one: Pulled) => number) => outcomes.reduce((total, { pulled }) => total + read(pulled), 0)
  const [host, front] = [sum(({ hostBytes }) => hostBytes), sum(({ frontBytes }) => frontBytes)]
  const failed = outcomes.filter(({ pulled }) => !pulled.isWhole)
  // No proof can know of a fault that begins after it.
  const between = failed.filter(({ pulled }) => (faultAge(pulled) ?? Number.POSITIVE_INFINITY) < freshMs + 5)
  const { probesPassed, probesFailed, probesSkipped, heldRedirects, redirects } = fleet.front.counters
  const { originNoHost, originNotProven, originAfterRound } = fleet.front.counters
  console.log(
    `${outcomes.length} layers: ${failed.length} failed, ${between.length} of them by a fault that began after the proof; ` +
      `${((100 * front) / (host + front)).toFixed(1)} % of bytes from the origin ` +
      `(no host ${originNoHost}, not proven ${originNotProven}, after a round ${originAfterRound}); ${heldRedirects} of ${redirects} redirects held, ` +
      `probes: ${probesPassed} passed, ${probesFailed} failed, ${probesSkipped} skipped`,
  )
  for (const { client, pulled } of failed)
    console.log(
      `  ${client.manner} as ${client.userAgent.split(' ')[0]}: ${pulled.why}, the fault is ${faultAge(pulled)?.toFixed(1)} ms old`,
    )
  expect(fleet.failures).toEqual([])
  expect(failed.length).toBe(between.length)
  expect(between.length).toBeLessThanOrEqual(outcomes.length / 200)
  expect(front / (host + front)).toBeLessThan(0.1)
}, 240_000)
