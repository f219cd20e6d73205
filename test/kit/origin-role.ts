// The real origin role over a published tree and snapshots made by hand, and what machines say to it.

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import pino from 'pino'
import { originTicketId, Tickets, ticketLifeMs } from '#access/ticket.ts'
import { makeConfig } from '#config/config.ts'
import { loadSettings } from '#config/load-config.ts'
import type { OptionName } from '#config/options.ts'
import { parseAddress, prefixKey } from '#kit/address.ts'
import { writeFileAtomically } from '#kit/atomic-file.ts'
import { blobPath, type Digest } from '#oci/digest.ts'
import type { PlacedHost } from '#snapshots/placement.ts'
import type { OriginCounters } from '#stages/pull/origin-counters.ts'
import { startOrigin } from '../../src/roles/origin.ts'
import { openStrangers } from '../../src/roles/strangers.ts'
import { PublishedTree } from './published-tree.ts'

export type OriginFixture = AsyncDisposable & {
  readonly url: string
  readonly tree: PublishedTree
  /** Publishes, and the origin has seen it. */
  publish(): Promise<void>
  /** Writes placement and health of this moment, and the origin has taken them. */
  place(hosts: readonly PlacedHost[]): Promise<void>
  /** A GET, not followed, from this address. */
  get(path: string, from: string, headers?: Readonly<Record<string, string>>): Promise<Response>
  /** What its front doors sign tickets with. */
  readonly ticketKey: Uint8Array
  readonly counters: OriginCounters
  ticketFor(digest: Digest, from: string): string
}

/** Each machine speaks from an address of its own, behind one proxy. */
export async function openOrigin(
  folder: string,
  flags: Readonly<Partial<Record<OptionName, string>>> = {},
): Promise<OriginFixture> {
  const given = {
    data: join(folder, 'data'),
    originListen: '127.0.0.1:0',
    countries: 'none',
    trustedProxies: '127.0.0.1/32',
    ...flags,
  }
  const config = makeConfig(loadSettings({ flags: given, environment: {}, folder }).settings)
  const snapshots = join(config.data, 'snapshots', config.publicChannel)
  await mkdir(snapshots, { recursive: true })
  const tree = await PublishedTree.make(join(config.tree, config.publicChannel), config.keys)
  const strangers = await openStrangers(config)
  const role = await startOrigin(config, pino({ level: 'silent' }), strangers)
  const url = `http://127.0.0.1:${role.listeners.origin!.port}`
  const get: OriginFixture['get'] = (path, from, headers = {}) =>
    fetch(url + path, { headers: { 'x-forwarded-for': from, ...headers }, redirect: 'manual' })
  return {
    url,
    tree,
    ticketKey: strangers.ticketKey,
    counters: role.counters,
    get,
    async publish() {
      await tree.publish()
      await role.followNow()
    },
    async place(hosts) {
      const about = { format: 1, version: Date.now(), builtAtMs: Date.now() }
      const well = { isAlive: true, checkedAtMs: Date.now(), roundTripMs: 1, circuit: 'closed' }
      const health = { ...about, hosts: hosts.map(({ id }) => ({ id, ...well })) }
      await writeFileAtomically(join(config.data, 'snapshots/health.json'), JSON.stringify(health))
      const placement = { ...about, channel: config.publicChannel, hosts }
      await writeFileAtomically(join(snapshots, 'placement.json'), JSON.stringify(placement))
      await role.followNow()
    },
    ticketFor(digest, from) {
      const about = { prefixKey: prefixKey(parseAddress(from)!), digest, nowMs: Date.now() }
      return new Tickets(strangers.ticketKey, ticketLifeMs).issue(originTicketId, about)
    },
    [Symbol.asyncDispose]: () => role.stop(),
  }
}

export const pathOf = (digest: Digest) => `/${blobPath(digest)}`
