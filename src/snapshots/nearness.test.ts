import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { distanceKm } from '#kit/great-circle.ts'
import { hostOf } from '../../test/kit/fleet-of-hosts.ts'
import { findCountry } from './countries.ts'
import { kmBetween, Nearness, neighbourKm } from './nearness.ts'
import type { PlacedHost } from './placement.ts'

const nearnessOf = (hosts: readonly PlacedHost[]) => new Nearness(hosts.map((host) => ({ host })))
const tell = (hosts: readonly PlacedHost[], country: string | undefined) =>
  nearnessOf(hosts)
    .ringsOf(country)
    .map(({ name, of, hosts: there }) => [name, of, there.map(({ host }) => host.id)])

test('a country has a middle and continents', () => {
  expect(findCountry('CZ')!.continents).toEqual(['EU'])
  expect(distanceKm(findCountry('CZ')!.position!, { latitude: 49.8, longitude: 15.5 })).toBeLessThan(20)
  // It lies on both.
  expect(findCountry('TR')!.continents).toEqual(['AS', 'EU'])
  expect(findCountry('CW')).toEqual({ position: undefined, continents: ['NA'] })
  expect(findCountry('XX')).toBeUndefined()
})

describe('rings', () => {
  const hosts = ['CZ', 'SK', 'DE', 'FR', 'IS', 'MA', 'US', 'JP', undefined].map((country, id) =>
    hostOf(id, { country }),
  )

  test('go out from the country by distance, then by continent', () => {
    expect(tell(hosts, 'CZ')).toEqual(
      [
        ['country', 'CZ', [0]],
        ['neighbours', 'within 500 km of CZ', [1, 2]],
        ['neighbours', 'within 1000 km of CZ', []],
        ['neighbours', 'within 2000 km of CZ', [3]],
        ['continent', 'EU', [4]],
        ['world', 'all', [5, 6, 7, 8]],
      ].filter(([, , there]) => there!.length > 0),
    )
  })

  test('cross continents where the sea between them is narrow', () => {
    const spain = hostOf(1, { country: 'ES' })
    const kenya = hostOf(2, { country: 'KE' })
    expect(tell([kenya, spain], 'MA').map(([name, , there]) => [name, there])).toEqual([
      ['neighbours', [1]],
      ['continent', [2]],
    ])
  })

  test('of a country on two continents have both', () => {
    expect(tell([hostOf(1, { country: 'IS' }), hostOf(2, { country: 'JP' })], 'TR')).toEqual([
      ['continent', 'AS and EU', [1, 2]],
    ])
  })

  test('know a client without a country, or of none that there is, only in the world', () => {
    for (const country of [undefined, 'XX']) {
      expect(tell(hosts, country)).toEqual([['world', 'all', [0, 1, 2, 3, 4, 5, 6, 7, 8]]])
    }
    expect(tell([], undefined)).toEqual([])
  })

  test('take what a host says of its place over the middle of its country', () => {
    const strasbourg = { latitude: 48.5734, longitude: 7.7521 }
    expect(tell([hostOf(1, { country: 'FR', position: strasbourg })], 'CZ')).toEqual([
      ['neighbours', 'within 1000 km of CZ', [1]],
    ])
    expect(tell([hostOf(1, { position: strasbourg })], 'CZ')).toEqual([['neighbours', 'within 1000 km of CZ', [1]]])
  })

  test('have each host once, never a farther one before a nearer one within reach, and the continent before the world', () => {
    const codes = ['CZ', 'SK', 'DE', 'FR', 'IS', 'MA', 'US', 'BR', 'JP', 'TR', 'RU', 'AU', 'CW', 'XX', undefined]
    const anyHost = fc.record({
      country: fc.constantFrom(...codes),
      position: fc.option(
        fc.record({
          latitude: fc.double({ min: -90, max: 90, noNaN: true }),
          longitude: fc.double({ min: -180, max: 180, noNaN: true }),
        }),
        { nil: undefined },
      ),
    })
    fc.assert(
      fc.property(fc.array(anyHost, { maxLength: 20 }), fc.constantFrom(...codes), (rows, country) => {
        const rings = nearnessOf(rows.map((row, id) => hostOf(id, row))).ringsOf(country)
        const inOrder = rings.flatMap(({ hosts: there }) => there.map(({ host }) => host))
        expect(inOrder.map(({ id }) => id).toSorted((a, b) => a - b)).toEqual(rows.map((_, id) => id))
        const continents = country === undefined ? [] : (findCountry(country)?.continents ?? [])
        // As a slow obvious twin would number them.
        const ringOf = (host: PlacedHost) => {
          if (country !== undefined && host.country === country) return 0
          const km = kmBetween(country, host)
          const reached = neighbourKm.filter((limit) => km !== undefined && km <= limit).length
          if (reached > 0) return 1 + neighbourKm.length - reached
          const theirs = host.country === undefined ? [] : (findCountry(host.country)?.continents ?? [])
          return 10 + Number(!theirs.some((one) => continents.includes(one)))
        }
        const numbers = inOrder.map(ringOf)
        expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
      }),
      { numRuns: 300 },
    )
  })
})
