// Where an address is: the operator's own netblocks first, then address databases in MaxMind's format, loaded whole into memory.
// Works with none: nobody then has a country or an AS, and netblocks, declared data and weights decide.

import { createRequire } from 'node:module'
import { open, type Reader, type Response } from 'maxmind'
import { type Address, formatAddress, parseCidr } from '#kit/address.ts'
import { AddressTrie } from '#kit/address-trie.ts'

export type PlacesOptions = {
  readonly countryFile: string | undefined
  readonly asnFile: string | undefined
  /** Netblocks whose country the databases have wrong: CIDR text and ISO 3166-1 alpha-2. */
  readonly countryOverrides: readonly (readonly [string, string])[]
}

export type Places = {
  countryOf(address: Address): string | undefined
  asnOf(address: Address): number | undefined
}

export const noPlaces: Places = { countryOf: () => undefined, asnOf: () => undefined }

/** The database that comes with the program; undefined where its package is not installed. */
export function bundledCountryFile(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve(
      '@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb',
    )
  } catch {
    return undefined
  }
}

/** The two shapes in use: ip-location-db is flat, MaxMind nests. */
type CountryRow = {
  readonly country_code?: string
  readonly country?: { readonly iso_code?: string }
  readonly registered_country?: { readonly iso_code?: string }
}
type AsnRow = { readonly autonomous_system_number?: number }

const openFile = (path: string | undefined) => (path === undefined ? undefined : open(path, { cache: { max: 1000 } }))

function find(reader: Reader<Response>, address: Address): unknown {
  // An IPv4 database throws on an IPv6 address.
  if (address.family === 6 && reader.metadata.ipVersion === 4) return undefined
  return reader.get(formatAddress(address))
}

/** Rejects when a file that was asked for cannot be read: a typing error must not look like a world without countries. */
export async function openPlaces(options: PlacesOptions): Promise<Places> {
  const [countries, asns] = await Promise.all([openFile(options.countryFile), openFile(options.asnFile)])
  const overrides = new AddressTrie(
    options.countryOverrides.map(([text, country]) => {
      const cidr = parseCidr(text)
      if (!cidr) throw new Error(`${text} is no netblock`)
      if (!/^[A-Z]{2}$/.test(country)) throw new Error(`${country} is no ISO 3166-1 alpha-2 country code`)
      return [cidr, country] as const
    }),
  )
  return {
    countryOf(address) {
      const override = overrides.find(address)
      if (override !== undefined || !countries) return override
      const row = find(countries, address) as CountryRow | null | undefined
      const country = row?.country_code ?? row?.country?.iso_code ?? row?.registered_country?.iso_code
      return country || undefined
    },
    asnOf(address) {
      const row = asns && (find(asns, address) as AsnRow | null | undefined)
      return row?.autonomous_system_number
    },
  }
}
