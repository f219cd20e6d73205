// Where a country lies: its middle, and its continents. Continents come from the package countries-list, middles from
// country-locale-map; both are keyed by ISO 3166-1 alpha-2.

import { countries } from 'countries-list'
import rows from 'country-locale-map/countries.json' with { type: 'json' }
import type { Position } from '#kit/great-circle.ts'

export type Country = {
  /** Undefined where nobody wrote it down: a few small islands. */
  readonly position: Position | undefined
  /** Two of them where the country lies on both: Russia, Turkey, Egypt, … */
  readonly continents: readonly string[]
}

function middlesByCode(): ReadonlyMap<string, Position> {
  const middles = rows.map(({ alpha2, latitude, longitude }) => {
    return [alpha2, { latitude: Number(latitude), longitude: Number(longitude) }] as const
  })
  return new Map(middles.filter(([, { latitude, longitude }]) => Number.isFinite(latitude + longitude)))
}

function readCountries(): ReadonlyMap<string, Country> {
  const middles = middlesByCode()
  return new Map(
    Object.entries(countries).map(([code, country]) => [
      code,
      {
        position: middles.get(code),
        continents: 'continents' in country ? country.continents : [country.continent],
      },
    ]),
  )
}

let known: ReadonlyMap<string, Country> | undefined

/** By ISO 3166-1 alpha-2, upper case; undefined when there is no such country. */
export function findCountry(code: string): Country | undefined {
  known ??= readCountries()
  return known.get(code)
}
