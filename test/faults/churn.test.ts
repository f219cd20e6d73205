// Six of twenty hosts are broken at any moment, in ways and places that change every few seconds, and nobody who pulls may notice.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { setTimeout as pause } from 'node:timers/promises'
import { dockerAgent, type Pulled, pullBlob, type ScriptedClient } from '../kit/scripted-client.ts'
import { seeded } from '../kit/seeded.ts'
import { SimFleet } from '../kit/sim-fleet.ts'
import { hostFaults } from '../kit/sim-host.ts'

const pulls = Number(process.env.SIM_PULLS ?? 2_000)
const haste = 10
const brokenShare = 0.3
/** Not divided: faults change every few seconds of the wall clock, while everything else runs ten times as fast. */
const changeMs = 3_000
const everyMs = 25
const layersPerPull = 2

const fragileAgent = 'containerd/1.6.20~ds1'
let fleet: SimFleet
beforeAll(async () => {
  fleet = await SimFleet.start({ hosts: 20, gold: 4, blobs: 40, blobBytes: 70_000, haste })
  await fleet.watch()
})
afterAll(() => fleet[Symbol.asyncDispose]())

async function breakSome(random: () => number): Promise<void> {
  const order = fleet.hosts.map((host) => ({ host, key: random() })).sort((a, b) => a.key - b.key)
  const broken = Math.round(fleet.hosts.length * brokenShare)
  await Promise.all(
    order.map(({ host }, i) => host.setMode(i < broken ? hostFaults[Math.floor(random() * hostFaults.length)]! : 'good')),
  )
}

type Outcome = { readonly client: ScriptedClient; readonly pulled: Pulled }
test(`${pulls} pulls`, async () => {
  const random = seeded(4)
  await breakSome(random)
  const changing = setInterval(() => void breakSome(random), changeMs)
  const outcomes: Outcome[] = []
  const running: Promise<unknown>[] = []
  for (let n = 0; n < pulls; n++) {
    const client: ScriptedClient = {
      manner: n % 2 === 0 ? 'docker' : 'once',
      userAgent: n % 4 < 2 ? fragileAgent : n % 2 === 0 ? dockerAgent : 'curl/8.14.1',
      address: `10.${n >> 8}.${n & 255}.7`,
      haste,
      silenceMs: 8_000,
    }
    const pull = async () => {
      for (let i = 0; i < layersPerPull; i++) {
        const { digest, sizeBytes } = fleet.tree.blobs[Math.floor(random() * fleet.tree.blobs.length)]!
        const pulled = await pullBlob(client, { frontUrl: fleet.url, path: fleet.pathOf(digest), digest, sizeBytes })
        outcomes.push({ client, pulled })
      }
    }
    running.push(pull())
    await pause(everyMs)
  }
  await Promise.all(running)
  clearInterval(changing)
  const failed = outcomes.filter(({ pulled }) => !pulled.isWhole)
  const sum = (read: (one: Pulled) => number) => outcomes.reduce((total, { pulled }) => total + read(pulled), 0)
  const [host, front] = [sum(({ hostBytes }) => hostBytes), sum(({ frontBytes }) => frontBytes)]
  console.log(`origin ${((100 * front) / (host + front)).toFixed(1)} %, failed ${failed.length} of ${outcomes.length}`)
  for (const { client, pulled } of failed) {
    const last = pulled.opens.at(-1)!
    const at = fleet.hosts.find(({ url }) => last.location?.startsWith(url))
    console.log(client.manner, client.userAgent, pulled.why, at?.mode, `broke ${(at?.modeSinceMs ?? 0) - last.askedMs} ms after the ask`)
  }
  console.log(fleet.front.counters, fleet.failures.length, fleet.failures[0])
  expect(failed.length).toBe(0)
}, 240_000)
