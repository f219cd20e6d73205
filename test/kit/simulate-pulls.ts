// Pulls from a simulated fleet through front doors that know nothing of each other: what each was told is what selection tells, and
// what a host then has to send is kept apart from what the front doors believe of it.

import { distanceKm } from '#kit/great-circle.ts'
import { Headroom, headroomDefaults } from '#selection/headroom.ts'
import { rankHosts } from '#selection/rank-hosts.ts'
import { findCountry } from '#snapshots/countries.ts'
import type { PlacedHost } from '#snapshots/placement.ts'
import type { SimulatedClient } from './simulated-clients.ts'
import type { SimulatedBlob, SimulatedFleet } from './simulated-fleet.ts'

export type Scenario = {
  /** What is asked of the fleet, as a part of what it can send. */
  readonly load: number
  readonly frontDoors: number
  /** Front doors that do not count what they send. */
  readonly isBlind?: true
  /** One country whose clients ask so many times as much as that. */
  readonly crowd?: { readonly country: string; readonly times: number }
  readonly warmUpMs: number
  readonly measuredMs: number
}

/** Bytes by where they came from. */
export type PlaceTally = {
  country: number
  continent: number
  elsewhere: number
  origin: number
  /** Of those from hosts: there was a host with headroom in the client's country, or else on its continent… */
  near: number
  /** …and they came from there, or from nearer. */
  asNear: number
  readonly km: number[]
  /** How long the host had still to send to others when a client was sent there. */
  readonly waitMs: number[]
}

export type PullTally = { readonly all: PlaceTally; readonly byCountry: ReadonlyMap<string, PlaceTally> }

/** A host has headroom that could begin to send after so long: far less than what front doors call busy. */
const headroomMs = 2_000

const emptyTally = (): PlaceTally => {
  return { country: 0, continent: 0, elsewhere: 0, origin: 0, near: 0, asNear: 0, km: [], waitMs: [] }
}

type Level = 'country' | 'continent' | 'elsewhere'
const levels: readonly Level[] = ['country', 'continent', 'elsewhere']

function levelOf(host: PlacedHost, country: string): Level {
  if (host.country === country) return 'country'
  const ours = findCountry(country)?.continents ?? []
  const theirs = host.country === undefined ? [] : (findCountry(host.country)?.continents ?? [])
  return theirs.some((one) => ours.includes(one)) ? 'continent' : 'elsewhere'
}

/** What the hosts really have to send. */
class TrueLoad {
  readonly #doneAtMs = new Map<number, number>()
  readonly #publicHosts: readonly PlacedHost[]
  readonly #near = new Map<string, { readonly level: Level; readonly hosts: readonly PlacedHost[] }[]>()

  constructor(publicHosts: readonly PlacedHost[]) {
    this.#publicHosts = publicHosts
  }

  send({ id, bandwidthMbps }: PlacedHost, bytes: number, nowMs: number): void {
    const startMs = Math.max(nowMs, this.#doneAtMs.get(id) ?? 0)
    this.#doneAtMs.set(id, startMs + bytes / ((bandwidthMbps * 1e6) / 8 / 1000))
  }

  waitMs({ id }: PlacedHost, nowMs: number): number {
    return Math.max(0, (this.#doneAtMs.get(id) ?? 0) - nowMs)
  }

  /** Where the nearest holder with headroom is. */
  nearestLevel(country: string, holds: (host: PlacedHost) => boolean, nowMs: number): Level {
    const isFree = (host: PlacedHost) => this.waitMs(host, nowMs) <= headroomMs && holds(host)
    return this.#around(country).find(({ hosts }) => hosts.some(isFree))?.level ?? 'elsewhere'
  }

  #around(country: string) {
    let around = this.#near.get(country)
    if (!around) {
      around = (['country', 'continent'] as const).map((level) => {
        return { level, hosts: this.#publicHosts.filter((host) => levelOf(host, country) === level) }
      })
      this.#near.set(country, around)
    }
    return around
  }
}

/** By Zipf's law: the second is pulled half as often as the first, the hundredth a hundredth as often. */
function popularityOf(blobs: readonly SimulatedBlob[]) {
  let sum = 0
  const upTo = blobs.map((_, i) => (sum += 1 / (i + 1)))
  const meanBytes = blobs.reduce((mean, { sizeBytes }, i) => mean + sizeBytes / (i + 1) / sum, 0)
  const pick = (u: number) => {
    let low = 0
    for (let high = blobs.length - 1; low < high; ) {
      const middle = (low + high) >> 1
      if (upTo[middle]! < u * sum) low = middle + 1
      else high = middle
    }
    return blobs[low]!
  }
  return { meanBytes, pick }
}

export function simulatePulls(
  simulated: SimulatedFleet,
  clients: readonly SimulatedClient[],
  { load, frontDoors, isBlind, crowd, warmUpMs, measuredMs }: Scenario,
  random: () => number,
): PullTally {
  const { meanBytes, pick } = popularityOf(simulated.blobs)
  const crowded = clients.flatMap((one) =>
    Array<typeof one>(one.client.country === crowd?.country ? crowd!.times : 1).fill(one),
  )
  const asksPerMs = (load * simulated.capacity * (crowded.length / clients.length)) / meanBytes / 1000
  const trueLoad = new TrueLoad(simulated.publicHosts)
  let nowMs = 0
  const hostShare = 1 / frontDoors
  const doors = Array.from({ length: frontDoors }, () => new Headroom({ ...headroomDefaults, hostShare }, () => nowMs))
  const all = emptyTally()
  const byCountry = new Map<string, PlaceTally>()
  while ((nowMs -= Math.log(1 - random()) / asksPerMs) < warmUpMs + measuredMs) {
    const one = crowded[Math.floor(random() * crowded.length)]!
    const blob = pick(random())
    const door = doors[one.client.prefixKey % frontDoors]!
    const headroom = isBlind ? undefined : door
    // Each pull draws anew, as if it were another client of the same place.
    const draw = { epoch: Math.floor(nowMs), allowHttpHosts: false, limit: 1, headroom }
    const host = rankHosts(simulated.fleet, one.client, blob, draw)[0]?.host
    const country = one.client.country!
    if (nowMs >= warmUpMs) {
      const nearest = trueLoad.nearestLevel(country, (holder) => simulated.holds(holder, blob), nowMs)
      let of = byCountry.get(country)
      if (!of) byCountry.set(country, (of = emptyTally()))
      const waitMs = host ? trueLoad.waitMs(host, nowMs) : 0
      for (const tally of [all, of]) note(tally, { one, blob, host, nearest, waitMs, simulated })
    }
    if (!host) continue
    door.book(host, blob.sizeBytes)
    trueLoad.send(host, blob.sizeBytes, nowMs)
  }
  return { all, byCountry }
}

type Pull = {
  readonly one: SimulatedClient
  readonly blob: SimulatedBlob
  readonly host: PlacedHost | undefined
  readonly nearest: Level
  readonly waitMs: number
  readonly simulated: SimulatedFleet
}

function note(tally: PlaceTally, { one, blob, host, nearest, waitMs, simulated }: Pull): void {
  const { sizeBytes } = blob
  if (!host) {
    tally.origin += sizeBytes
    return
  }
  const level = levelOf(host, one.client.country!)
  tally[level] += sizeBytes
  tally.waitMs.push(waitMs)
  if (nearest !== 'elsewhere') {
    tally.near += sizeBytes
    if (levels.indexOf(level) <= levels.indexOf(nearest)) tally.asNear += sizeBytes
  }
  const there = simulated.truePosition.get(host.id)
  if (one.position && there) tally.km.push(distanceKm(one.position, there))
}

/** The number that `part` of them are below. */
export function quantile(numbers: readonly number[], part: number): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length * part)] ?? Number.NaN
}
