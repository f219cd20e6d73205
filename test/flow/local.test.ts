// `npm run bench -- local` shows the whole table; these are its promises, on a few seconds of the same simulation.

import { describe, expect, test } from 'bun:test'
import { bundledCountryFile, openPlaces } from '#snapshots/places.ts'
import { seeded } from '../kit/seeded.ts'
import { type PlaceTally, quantile, type Scenario, simulatePulls } from '../kit/simulate-pulls.ts'
import { drawClients } from '../kit/simulated-clients.ts'
import { simulateFleet } from '../kit/simulated-fleet.ts'

const random = seeded(4)
const places = await openPlaces({ countryFile: bundledCountryFile(), asnFile: undefined, countryOverrides: [] })
const simulated = simulateFleet(500, random)
const clients = drawClients(10_000, places, random)
const pull = (scenario: Pick<Scenario, 'load' | 'crowd' | 'isBlind'>) =>
  simulatePulls(simulated, clients, { frontDoors: 3, warmUpMs: 10_000, measuredMs: 5_000, ...scenario }, random)

const fromHosts = ({ country, continent, elsewhere }: PlaceTally) => country + continent + elsewhere

describe('bytes from hosts come from the country of the client while a holder there has headroom, else from its continent', () => {
  test.each<[string, Pick<Scenario, 'load' | 'crowd'>]>([
    ['at a load of 30 %', { load: 0.3 }],
    ['at 70 %', { load: 0.7 }],
    ['at 100 %', { load: 1 }],
    ['with one country that asks ten times as much', { load: 0.3, crowd: { country: 'DE', times: 10 } }],
  ])('%s', (_, scenario) => {
    const { all } = pull(scenario)
    expect(all.near).toBeGreaterThan(fromHosts(all) / 3)
    expect(all.asNear / all.near).toBeGreaterThan(0.9)
    // New blobs are a hundredth; that no host has them is the only reason for the origin.
    expect(all.origin / (fromHosts(all) + all.origin)).toBeLessThan(0.05)
  })
})

test('with room everywhere most bytes do not leave the country, and those of clients without a host of their own not the continent', () => {
  const { all, byCountry } = pull({ load: 0.1 })
  expect(all.country / fromHosts(all)).toBeGreaterThan(0.85)
  expect((all.country + all.continent) / fromHosts(all)).toBeGreaterThan(0.95)
  const withHosts = new Set(simulated.publicHosts.map(({ country }) => country))
  const homeless = [...byCountry].filter(([country]) => !withHosts.has(country)).map(([, tally]) => tally)
  expect(homeless.length).toBeGreaterThan(10)
  const km = (tallies: readonly PlaceTally[]) =>
    quantile(
      tallies.flatMap((one) => one.km),
      0.5,
    )
  expect(km(homeless)).toBeLessThan(2_500)
  expect(km([...byCountry.values()])).toBeLessThan(1_500)
})

test('a host that is full makes nobody wait where others are idle: uncounted, its clients queue', () => {
  const crowd = { country: 'DE', times: 10 }
  const wait = (isBlind: Pick<Scenario, 'isBlind'>) =>
    quantile(pull({ load: 0.3, crowd, ...isBlind }).byCountry.get('DE')!.waitMs, 0.9)
  const counted = wait({})
  expect(counted).toBeLessThan(20_000)
  expect(wait({ isBlind: true })).toBeGreaterThan(counted)
})
