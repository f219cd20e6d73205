// Clients as the internet has them: public IPv4 addresses drawn evenly, each in the country that the address database which comes with
// the program gives it. So a country has as many clients as it has addresses.

import { type Address, ipv4, prefixKey } from '#kit/address.ts'
import { scopeOf } from '#kit/address-scope.ts'
import type { Position } from '#kit/great-circle.ts'
import type { SelectionClient } from '#selection/client.ts'
import type { Places } from '#snapshots/places.ts'
import cityRows from '../fixtures/fleet/cities.json' with { type: 'json' }

export type SimulatedClient = {
  readonly client: SelectionClient
  /** In one of the largest cities of its country, drawn by inhabitants. */
  readonly position: Position | undefined
}

const citiesOf = new Map(cityRows.map(({ country, cities }) => [country, cities as [number, number, number][]]))

function drawPosition(country: string, random: () => number): Position | undefined {
  const cities = citiesOf.get(country) ?? []
  let left = random() * cities.reduce((sum, [, , inhabitants]) => sum + inhabitants, 0)
  for (const [latitude, longitude, inhabitants] of cities) {
    left -= inhabitants
    if (left <= 0) return { latitude, longitude }
  }
  return undefined
}

function drawAddress(random: () => number): Address {
  for (;;) {
    const address = ipv4(Math.floor(random() * 2 ** 32))
    if (scopeOf(address) === 'global') return address
  }
}

/** Those whose country is known; what is announced nowhere has none. */
export function drawClients(count: number, places: Places, random: () => number): SimulatedClient[] {
  const clients: SimulatedClient[] = []
  while (clients.length < count) {
    const address = drawAddress(random)
    const country = places.countryOf(address)
    if (country === undefined) continue
    clients.push({
      client: { address, prefixKey: prefixKey(address), country, asn: undefined, kind: 'normal', isTls: true },
      position: drawPosition(country, random),
    })
  }
  return clients
}
