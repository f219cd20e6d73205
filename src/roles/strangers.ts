// How the roles that strangers ask know them: their address behind our proxies, where that is, and the key of the tickets that
// front doors give them. Opened once for all roles of a process.

import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '#config/config.ts'
import { clientAddressReader, type ReadClientAddress, trustedProxyTest } from '#http/client-address.ts'
import { parseCidr } from '#kit/address.ts'
import { createFileAtomically, makeFolder } from '#kit/atomic-file.ts'
import { bundledCountryFile, openPlaces, type Places } from '#snapshots/places.ts'

export type Strangers = {
  readonly readClientAddress: ReadClientAddress
  readonly places: Places
  /** 32 bytes, the same for every front door and origin of this data folder. */
  readonly ticketKey: Uint8Array
}

export async function openStrangers(config: Config): Promise<Strangers> {
  const { settings } = config
  const countryFile = settings.countries === 'none' ? undefined : (settings.countries ?? bundledCountryFile())
  return {
    readClientAddress: readAddresses(config),
    places: await openPlaces({ countryFile, asnFile: settings.asns, countryOverrides: [] }),
    ticketKey: await ticketKey(config),
  }
}

export function readAddresses({ settings }: Config): ReadClientAddress {
  return clientAddressReader(settings.trustedProxies.map(requireCidr))
}

export function readTrustedProxies({ settings }: Config): (peer: string) => boolean {
  return trustedProxyTest(settings.trustedProxies.map(requireCidr))
}

function requireCidr(text: string) {
  const cidr = parseCidr(text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`)
  if (!cidr) throw new Error(`trusted-proxies: ${JSON.stringify(text)} is no network`)
  return cidr
}

/** A host may send a client back to another front door than it came from, and the origin knows by it whom they sent. */
async function ticketKey(config: Config): Promise<Uint8Array> {
  await makeFolder(config.keys, 0o700)
  const path = join(config.keys, 'ticket.key')
  await createFileAtomically(path, randomBytes(32), 0o600)
  return await readFile(path)
}
