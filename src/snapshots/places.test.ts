import { expect, test } from 'bun:test'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAddress } from '#kit/address.ts'
import { bundledCountryFile, noPlaces, openPlaces, type PlacesOptions } from './places.ts'

const none: PlacesOptions = { countryFile: undefined, asnFile: undefined, countryOverrides: [] }
const at = (text: string) => parseAddress(text)!

test('the bundled database knows networks of both families that have not moved for decades', async () => {
  const places = await openPlaces({ ...none, countryFile: bundledCountryFile() })
  expect(places.countryOf(at('147.229.1.1'))).toBe('CZ')
  expect(places.countryOf(at('130.89.1.1'))).toBe('NL')
  expect(places.countryOf(at('2a01:4f8::1'))).toBe('DE')
  expect(places.countryOf(at('::ffff:147.229.1.1'))).toBe('CZ')
  expect(places.countryOf(at('127.0.0.1'))).toBeUndefined()
})

test('a declared netblock outranks the database, the longest first', async () => {
  const countryOverrides = [
    ['147.229.0.0/16', 'SK'],
    ['147.229.8.0/24', 'PL'],
    ['10.0.0.0/8', 'AT'],
  ] as const
  const places = await openPlaces({ ...none, countryFile: bundledCountryFile(), countryOverrides })
  expect(places.countryOf(at('147.229.1.1'))).toBe('SK')
  expect(places.countryOf(at('147.229.8.1'))).toBe('PL')
  expect(places.countryOf(at('10.1.1.1'))).toBe('AT')
  expect(places.countryOf(at('130.89.1.1'))).toBe('NL')
})

test('without any file overrides work, and nobody has an AS', async () => {
  const places = await openPlaces({ ...none, countryOverrides: [['10.0.0.0/8', 'AT']] })
  expect(places.countryOf(at('10.1.1.1'))).toBe('AT')
  expect(places.countryOf(at('8.8.8.8'))).toBeUndefined()
  expect(places.asnOf(at('8.8.8.8'))).toBeUndefined()
  expect(noPlaces.countryOf(at('8.8.8.8'))).toBeUndefined()
})

test('a database without a column answers undefined', async () => {
  const places = await openPlaces({ ...none, asnFile: bundledCountryFile() })
  expect(places.asnOf(at('147.229.1.1'))).toBeUndefined()
})

test('what was asked for and cannot be read is an error', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'places-'))
  try {
    const garbage = join(dir, 'garbage.mmdb')
    await writeFile(garbage, 'this is no database')
    await expect(openPlaces({ ...none, countryFile: join(dir, 'absent.mmdb') })).rejects.toThrow()
    await expect(openPlaces({ ...none, countryFile: garbage })).rejects.toThrow()
    await expect(openPlaces({ ...none, countryOverrides: [['10.0.0.1/8', 'AT']] })).rejects.toThrow(/netblock/)
    await expect(openPlaces({ ...none, countryOverrides: [['10.0.0.0/8', 'Austria']] })).rejects.toThrow(/country/)
  } finally {
    await rm(dir, { recursive: true })
  }
})
