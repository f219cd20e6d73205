// How local a fleet of a real shape is: where the bytes come from, how far they travel and what the origin has to send, by load.

import { bundledCountryFile, openPlaces } from '#snapshots/places.ts'
import { seeded } from '../kit/seeded.ts'
import { type PlaceTally, quantile, type Scenario, simulatePulls } from '../kit/simulate-pulls.ts'
import { drawClients } from '../kit/simulated-clients.ts'
import { simulateFleet } from '../kit/simulated-fleet.ts'

const random = seeded(4)
const places = await openPlaces({ countryFile: bundledCountryFile(), asnFile: undefined, countryOverrides: [] })
const simulated = simulateFleet(2_000, random)
const clients = drawClients(50_000, places, random)
const time = { frontDoors: 3, warmUpMs: 20_000, measuredMs: 20_000 }
const scenarios: readonly (readonly [string, Scenario])[] = [
  ['load 30 %', { load: 0.3, ...time }],
  ['load 70 %', { load: 0.7, ...time }],
  ['load 100 %', { load: 1, ...time }],
  ['load 70 %, not counted', { load: 0.7, isBlind: true, ...time }],
  ['load 30 %, DE ten times', { load: 0.3, crowd: { country: 'DE', times: 10 }, ...time }],
]

const percent = (part: number, whole: number) =>
  (whole > 0 ? `${((100 * part) / whole).toFixed(1)} %` : '-').padStart(8)
const fromHosts = ({ country, continent, elsewhere }: PlaceTally) => country + continent + elsewhere

function rowOf(name: string, tally: PlaceTally): string {
  const hosts = fromHosts(tally)
  return [
    name.padEnd(24),
    percent(tally.country, hosts),
    percent(tally.continent, hosts),
    percent(tally.elsewhere, hosts),
    percent(tally.asNear, tally.near),
    percent(tally.origin, hosts + tally.origin),
    `${Math.round(quantile(tally.km, 0.5))} km`.padStart(9),
    `${(quantile(tally.waitMs, 0.95) / 1000).toFixed(1)} s`.padStart(9),
  ].join(' ')
}

const terabits = (simulated.capacity * 8) / 1e12
console.log(
  `${simulated.publicHosts.length} hosts for strangers over https, ${terabits.toFixed(2)} Tbit/s in all, 3 front doors`,
)
console.log('as near as can be: of the bytes for which the country, else the continent, had a holder with headroom')
const head = ['', 'country', 'contin.', 'else', 'as near', 'origin', 'median', 'p95 wait']
const heading = head.map((word, i) => (i === 0 ? word.padEnd(24) : word.padStart(i > 5 ? 9 : 8))).join(' ')
for (const [name, scenario] of scenarios) {
  const { all, byCountry } = simulatePulls(simulated, clients, scenario, random)
  console.log(`\n${heading}\n${rowOf(name, all)}`)
  const countries = [...byCountry].sort(([, a], [, b]) => fromHosts(b) - fromHosts(a))
  for (const [country, tally] of countries.slice(0, 25)) console.log(rowOf(`  ${country}`, tally))
  const origins = countries.map(
    ([country, tally]) => `${country} ${percent(tally.origin, fromHosts(tally) + tally.origin).trim()}`,
  )
  console.log(`  origin, the other ${countries.length - 25}: ${origins.slice(25).join(', ')}`)
}
