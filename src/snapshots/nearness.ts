// The hosts that strangers may meet as rings around the client's country: the country itself, neighbours by distance, the continent, the
// world. A host lies in exactly one ring of each country. Rings are made once per country and placement, when the first client of
// that country asks: 1,000 hosts take a fraction of a millisecond, those of all countries at once would hold up a swap.

import { distanceKm, type Position } from '#kit/great-circle.ts'
import { findCountry } from './countries.ts'
import type { PlacedHost } from './placement.ts'

/** Each is twice as far as the one before. Up to the last, distance counts more than continents: Morocco is nearer to Spain than to
 *  Kenya. They are the same for all countries, so that a host which comes nearer never makes another one nearer. */
export const neighbourKm = [500, 1000, 2000] as const

export type RingName = 'country' | 'neighbours' | 'continent' | 'world'

export type Ring<H> = {
  readonly name: RingName
  /** What its hosts have in common with the client, in words. */
  readonly of: string
  readonly hosts: readonly H[]
  /** Its hosts are there for these clients; everywhere else they are guests. */
  readonly isHome: boolean
  readonly isOwnNetwork: false
}

/** Where the host is taken to stand. */
export function positionOf({ position, country }: PlacedHost): Position | undefined {
  return position ?? (country === undefined ? undefined : findCountry(country)?.position)
}

/** From the middle of a client's country; undefined when either is not known. */
export function kmBetween(country: string | undefined, host: PlacedHost): number | undefined {
  const from = country === undefined ? undefined : findCountry(country)?.position
  const to = positionOf(host)
  return from && to && distanceKm(from, to)
}

export class Nearness<H extends { readonly host: PlacedHost }> {
  readonly #hosts: readonly H[]
  readonly #placeless: readonly Ring<H>[]
  readonly #byCountry = new Map<string, readonly Ring<H>[]>()

  constructor(hosts: readonly H[]) {
    this.#hosts = hosts
    this.#placeless = keepFilled([ringOf('world', 'all', hosts)])
  }

  /** The rings that have hosts, nearest first, of a client whose country may be unknown. */
  ringsOf(country: string | undefined): readonly Ring<H>[] {
    if (country === undefined) return this.#placeless
    const found = this.#byCountry.get(country)
    if (found) return found
    // Codes that are no country's come from a database of the operator's: they name a place without neighbours.
    const rings = this.#ringsAround(country)
    this.#byCountry.set(country, rings)
    return rings
  }

  #ringsAround(country: string): readonly Ring<H>[] {
    const continents = findCountry(country)?.continents ?? []
    const own: H[] = []
    const neighbours = neighbourKm.map((): H[] => [])
    const continent: H[] = []
    const world: H[] = []
    for (const indexed of this.#hosts) {
      const { host } = indexed
      const km = kmBetween(country, host) ?? Number.POSITIVE_INFINITY
      const band = neighbourKm.findIndex((limit) => km <= limit)
      if (host.country === country) own.push(indexed)
      else if (band >= 0) neighbours[band]!.push(indexed)
      else if (sharesContinent(continents, host)) continent.push(indexed)
      else world.push(indexed)
    }
    return keepFilled([
      ringOf('country', country, own),
      ...neighbours.map((hosts, i) => ringOf('neighbours', `within ${neighbourKm[i]} km of ${country}`, hosts)),
      ringOf('continent', continents.join(' and '), continent),
      ringOf('world', 'all', world),
    ])
  }
}

function ringOf<H>(name: RingName, of: string, hosts: readonly H[]): Ring<H> {
  return { name, of, hosts, isHome: name === 'country', isOwnNetwork: false }
}

function keepFilled<H>(rings: readonly Ring<H>[]): readonly Ring<H>[] {
  return rings.filter(({ hosts }) => hosts.length > 0)
}

function sharesContinent(continents: readonly string[], { country }: PlacedHost): boolean {
  const there = country === undefined ? undefined : findCountry(country)?.continents
  return there?.some((continent) => continents.includes(continent)) ?? false
}
