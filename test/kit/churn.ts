// A fleet of which a third is always broken, in ways and places that change every few seconds, and a crowd of scripted clients that pull
// through it; and for each pull that failed, how old the fault was that it met.

import { setTimeout as pause } from 'node:timers/promises'
import { dockerAgent, type Pulled, pullBlob, type ScriptedClient } from './scripted-client.ts'
import type { SimFleet } from './sim-fleet.ts'
import { hostFaults, type SimHost } from './sim-host.ts'
import { waitUntil } from './wait-until.ts'

export const brokenShare = 0.3
const changeMs = 3_000
const fragileAgent = 'containerd/1.6.20~ds1'
const unknownAgent = 'curl/8.14.1'
const layersPerPull = 2

export async function breakSome(fleet: SimFleet, random: () => number): Promise<void> {
  const order = fleet.hosts.map((host) => ({ host, key: random() })).sort((a, b) => a.key - b.key)
  const broken = Math.round(fleet.hosts.length * brokenShare)
  const anyFault = () => hostFaults[Math.floor(random() * hostFaults.length)]!
  await Promise.all(order.map(({ host }, i) => host.setMode(i < broken ? anyFault() : 'good')))
}

/** The fleet has been like this for a while: no host is without a failure in the last minutes. */
export async function breakAllOnce(fleet: SimFleet, random: () => number): Promise<void> {
  await waitUntil(
    async () => {
      const { byId } = fleet.holder.current.fleet.health
      if ([...byId.values()].every(({ isShaky }) => isShaky)) return true
      await breakSome(fleet, random)
      return false
    },
    { what: 'every host has failed once', everyMs: 1_000 },
  )
}

export type Outcome = { readonly client: ScriptedClient; readonly pulled: Pulled }

/** Half of them never ask twice; half of each kind call themselves containerd 1. */
function clientOf(n: number, haste: number): ScriptedClient {
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

export type Crowd = {
  readonly pulls: number
  readonly everyMs: number
  readonly haste: number
  readonly random: () => number
  /** Blobs before this one are not pulled. */
  readonly firstBlob?: number
  /** The end, however many have pulled by then: a busy machine makes them fewer, not later. */
  readonly limitMs?: number
}

/** Two layers a pull, one after the other, while the fleet changes. */
export async function pullThrough(fleet: SimFleet, crowd: Crowd): Promise<Outcome[]> {
  const { pulls, everyMs, haste, random, firstBlob = 0, limitMs = Number.POSITIVE_INFINITY } = crowd
  const endMs = performance.now() + limitMs
  const outcomes: Outcome[] = []
  const pull = async (client: ScriptedClient) => {
    for (let i = 0; i < layersPerPull; i++) {
      const at = firstBlob + Math.floor(random() * (fleet.tree.blobs.length - firstBlob))
      const { digest, sizeBytes } = fleet.tree.blobs[at]!
      const wanted = { frontUrl: fleet.url, path: fleet.pathOf(digest), digest, sizeBytes }
      outcomes.push({ client, pulled: await pullBlob(client, wanted) })
    }
  }
  const changing = setInterval(() => void breakSome(fleet, random), changeMs)
  try {
    const running: Promise<unknown>[] = []
    for (let n = 0; n < pulls && performance.now() < endMs; n++) {
      running.push(pull(clientOf(n, haste)))
      await pause(everyMs)
    }
    await Promise.all(running)
  } finally {
    clearInterval(changing)
  }
  return outcomes
}

/** How long before a failed ask, in ms, the fault began that it met; negative: after the ask. Undefined: there was none. */
function faultAge(fleet: SimFleet, { opens }: Pulled): number | undefined {
  const { location, askedMs, endedMs } = opens.at(-1)!
  const host: SimHost | undefined = fleet.hosts.find(({ url }) => location?.startsWith(`${url}/`))
  const met = host?.modes.findLast(({ mode, sinceMs }) => mode !== 'good' && sinceMs <= endedMs)
  return met && askedMs - met.sinceMs
}

export type Losses = {
  readonly failed: number
  /** Of them, those whose fault began after the last moment at which a proof could still have been made. */
  readonly between: number
  /** Of all bytes. */
  readonly originShare: number
}

/** Counts and prints. `freshMs`: how long a proof counts. */
export function tellLosses(fleet: SimFleet, outcomes: readonly Outcome[], freshMs: number): Losses {
  const sum = (read: (one: Pulled) => number) => outcomes.reduce((total, { pulled }) => total + read(pulled), 0)
  const [host, front] = [sum(({ hostBytes }) => hostBytes), sum(({ frontBytes }) => frontBytes)]
  const failed = outcomes.filter(({ pulled }) => !pulled.isWhole)
  const ages = failed.map(({ pulled }) => faultAge(fleet, pulled))
  // No proof can know of a fault that begins after it.
  const between = ages.filter((age) => age !== undefined && age < freshMs + 5).length
  const originShare = front / (host + front)
  const { probesPassed, probesFailed, probesSkipped, heldRedirects, redirects } = fleet.front.counters
  const { originNoHost, originNotProven, originAfterRound } = fleet.front.counters
  console.log(
    `${outcomes.length} layers: ${failed.length} failed, ${between} of them by a fault that began after the proof; ` +
      `${(100 * originShare).toFixed(1)} % of bytes from the origin ` +
      `(no host ${originNoHost}, not proven ${originNotProven}, after a round ${originAfterRound}); ` +
      `${heldRedirects} of ${redirects} redirects held, ` +
      `probes: ${probesPassed} passed, ${probesFailed} failed, ${probesSkipped} skipped`,
  )
  for (const [i, { client, pulled }] of failed.entries()) {
    const who = `${client.manner} as ${client.userAgent.split(' ')[0]}`
    console.log(`  ${who}: ${pulled.why}, the fault was ${ages[i]?.toFixed(1)} ms old when it asked`)
  }
  return { failed: failed.length, between, originShare }
}
