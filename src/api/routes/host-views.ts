// Between the rows of hosts and what the control API says of them.

import { createHash } from 'node:crypto'
import type { z } from '@hono/zod-openapi'
import type { ApiStores } from '#api/api-context.ts'
import { type CheckInRow, findLastCheckIn } from '#catalogue/check-ins.ts'
import { emit } from '#catalogue/events.ts'
import { findLatestGeneration } from '#catalogue/generations.ts'
import { findPresence } from '#catalogue/host-copies.ts'
import { type HostFacts, type HostRow, listHosts } from '#catalogue/hosts.ts'
import type { Reader, Tx } from '#catalogue/schema.ts'
import { RegistryError } from '#oci/errors.ts'
import type { validateHost } from '#stages/mirror/validate-host.ts'
import type { Site } from './host-schemas.ts'

/** In the stream of events, who changed which host. */
export function emitChange(tx: Tx, host: string, actor: string, atMs: number): Promise<void> {
  return emit(tx, { type: 'host.changed', subject: host, data: { host, actor }, atMs })
}

export async function requireHost(id: string, db: Reader): Promise<HostRow> {
  const host = (await listHosts(db)).find((one) => one.name === id || String(one.id) === id)
  if (!host) throw new RegistryError('NOT_FOUND', `there is no host ${JSON.stringify(id.slice(0, 100))}`)
  return host
}

type Declared = Parameters<typeof validateHost>[0]

/** What may be declared, with every absent thing said to be so. */
export function toDeclaration(
  host: { readonly [K in keyof Declared]?: Declared[K] | undefined } & Pick<
    Declared,
    'name' | 'bandwidthMbps' | 'grade' | 'isPrivate' | 'isAsnClients' | 'ticket'
  >,
): Declared {
  return {
    name: host.name,
    country: host.country,
    latitude: host.latitude,
    longitude: host.longitude,
    bandwidthMbps: host.bandwidthMbps,
    grade: host.grade,
    isPrivate: host.isPrivate,
    asn: host.asn,
    isAsnClients: host.isAsnClients,
    peerAsns: host.peerAsns ?? [],
    netblocks: host.netblocks ?? [],
    allowedCountries: host.allowedCountries ?? [],
    categories: host.categories ?? [],
    ticket: host.ticket,
    contact: host.contact,
  }
}

export function toFacts(
  declared: Declared,
  switches: Pick<HostFacts, 'isAdminActive' | 'isUserActive' | 'disableReason'>,
): HostFacts {
  return { ...declared, ...switches }
}

export function toSite(site: {
  name: string
  organisationUrl: string | undefined
  isPrivate: boolean
  contact: string | undefined
}): z.infer<typeof Site> {
  return {
    name: site.name,
    isPrivate: site.isPrivate,
    ...(site.organisationUrl === undefined ? {} : { organisationUrl: site.organisationUrl }),
    ...(site.contact === undefined ? {} : { contact: site.contact }),
  }
}

/** What changes with what is declared of a host, and not with what is found out about it (RFC 9110 section 8.8.3). */
export function etagOfHost({ id, site, ...facts }: HostRow): string {
  return `"${createHash('sha256').update(JSON.stringify(facts)).digest('base64url').slice(0, 22)}"`
}

/** `ifMatch` as RFC 9110 section 13.1.1: `*`, or a list of tags of which weak ones match nothing. */
export function requireMatch(host: HostRow, ifMatch: string | undefined): void {
  if (ifMatch === undefined || ifMatch.trim() === '*') return
  const etag = etagOfHost(host)
  if (ifMatch.split(',').some((one) => one.trim() === etag)) return
  throw new RegistryError(
    'PRECONDITION_FAILED',
    `${host.name} was changed since that state was read; it is ${etag} now: read it again, then change it`,
  )
}

export async function toHost(host: HostRow, stores: ApiStores) {
  const channel = stores.publicChannel
  const presence = await findPresence(stores.catalogue, host.id, channel)
  const latest = await findLatestGeneration(stores.catalogue, channel, 'published')
  const checkIn = await findLastCheckIn(stores.catalogue, host.id, channel)
  return {
    ...host,
    site: host.site.name,
    presence: presence && {
      generation: presence.generation,
      missing: presence.missing.length,
      extra: presence.extra.length,
    },
    latestGeneration: latest?.number,
    lastCheckIn: checkIn && toLastCheckIn(checkIn),
    state: await stores.describeHost(host.id),
  }
}

function toLastCheckIn({ generation, atMs, source, state, provenGeneration, reason }: CheckInRow) {
  return { generation, at: new Date(atMs).toISOString(), source, state, provenGeneration, reason }
}
