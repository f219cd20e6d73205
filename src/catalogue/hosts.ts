// Sites and their hosts. A host's lists (addresses, netblocks, …) are replaced as wholes.

import type { Reader, Schema, Tx } from './schema.ts'

type Grade = Schema['hosts']['grade']
type Ticket = Schema['hosts']['ticket']

export type SiteRow = {
  readonly id: number
  readonly name: string
  readonly organisationUrl: string | undefined
  readonly isPrivate: boolean
  readonly contact: string | undefined
}

export type HostCategoryRow = { readonly category: string; readonly urls: readonly string[] }

export type HostFacts = {
  readonly name: string
  readonly country: string | undefined
  /** Degrees, north and east positive; both or none. */
  readonly latitude?: number | undefined
  readonly longitude?: number | undefined
  readonly bandwidthMbps: number
  readonly grade: Grade
  readonly isPrivate: boolean
  readonly isAdminActive: boolean
  readonly isUserActive: boolean
  readonly disableReason: string | undefined
  readonly asn: number | undefined
  readonly isAsnClients: boolean
  readonly peerAsns: readonly number[]
  readonly netblocks: readonly string[]
  readonly allowedCountries: readonly string[]
  readonly categories: readonly HostCategoryRow[]
  readonly ticket: Ticket
  readonly contact: string | undefined
}

export type HostRow = HostFacts & { readonly id: number; readonly site: SiteRow }

export async function addSite(tx: Tx, site: Omit<SiteRow, 'id'>, atMs: number): Promise<SiteRow | undefined> {
  const row = await tx
    .insertInto('sites')
    .values({
      name: site.name,
      organisation_url: site.organisationUrl ?? null,
      is_private: site.isPrivate ? 1 : 0,
      contact: site.contact ?? null,
      created_at_ms: atMs,
    })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returningAll()
    .executeTakeFirst()
  return row && toSite(row)
}

export async function findSite(db: Reader, name: string): Promise<SiteRow | undefined> {
  const row = await db.selectFrom('sites').selectAll().where('name', '=', name).executeTakeFirst()
  return row && toSite(row)
}

export async function listSites(db: Reader): Promise<SiteRow[]> {
  return (await db.selectFrom('sites').selectAll().orderBy('name').execute()).map(toSite)
}

function toSite(row: {
  id: number
  name: string
  organisation_url: string | null
  is_private: number
  contact: string | null
}): SiteRow {
  return {
    id: row.id,
    name: row.name,
    organisationUrl: row.organisation_url ?? undefined,
    isPrivate: row.is_private === 1,
    contact: row.contact ?? undefined,
  }
}

function toColumns(host: HostFacts) {
  return {
    name: host.name,
    country: host.country ?? null,
    bandwidth_mbps: host.bandwidthMbps,
    grade: host.grade,
    is_private: host.isPrivate ? (1 as const) : (0 as const),
    is_admin_active: host.isAdminActive ? (1 as const) : (0 as const),
    is_user_active: host.isUserActive ? (1 as const) : (0 as const),
    disable_reason: host.disableReason ?? null,
    asn: host.asn ?? null,
    is_asn_clients: host.isAsnClients ? (1 as const) : (0 as const),
    ticket: host.ticket,
    contact: host.contact ?? null,
    latitude_microdegrees: toMicrodegrees(host.latitude),
    longitude_microdegrees: toMicrodegrees(host.longitude),
  }
}

function toMicrodegrees(degrees: number | undefined): number | null {
  return degrees === undefined ? null : Math.round(degrees * 1e6)
}

function toDegrees(microdegrees: number | null): number | undefined {
  return microdegrees === null ? undefined : microdegrees / 1e6
}

/** Undefined when a host of that name exists, or another host has one of its addresses. */
export async function addHost(tx: Tx, siteId: number, host: HostFacts, atMs: number): Promise<number | undefined> {
  if (await findUrlOwner(tx, host, undefined)) return undefined
  const row = await tx
    .insertInto('hosts')
    .values({ site_id: siteId, ...toColumns(host), created_at_ms: atMs, updated_at_ms: atMs })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returning('id')
    .executeTakeFirst()
  if (!row) return undefined
  await writeLists(tx, row.id, host)
  return row.id
}

/** Until the end of the transaction nobody else changes the host: what is read from here on is what is changed. */
export async function lockHost(tx: Tx, id: number): Promise<void> {
  await tx
    .updateTable('hosts')
    .set((eb) => ({ updated_at_ms: eb.ref('updated_at_ms') }))
    .where('id', '=', id)
    .execute()
}

/** False when another host has one of the addresses. */
export async function updateHost(tx: Tx, id: number, host: HostFacts, atMs: number): Promise<boolean> {
  if (await findUrlOwner(tx, host, id)) return false
  await tx
    .updateTable('hosts')
    .set({ ...toColumns(host), updated_at_ms: atMs })
    .where('id', '=', id)
    .execute()
  for (const table of ['host_urls', 'host_netblocks', 'host_peer_asns', 'host_countries'] as const) {
    await tx.deleteFrom(table).where('host_id', '=', id).execute()
  }
  await writeLists(tx, id, host)
  return true
}

async function findUrlOwner(tx: Tx, host: HostFacts, self: number | undefined): Promise<boolean> {
  const urls = host.categories.flatMap((one) => one.urls)
  if (urls.length === 0) return false
  let query = tx.selectFrom('host_urls').select('host_id').where('url', 'in', urls)
  if (self !== undefined) query = query.where('host_id', '!=', self)
  return (await query.executeTakeFirst()) !== undefined
}

async function writeLists(tx: Tx, id: number, host: HostFacts): Promise<void> {
  const urls = host.categories.flatMap(({ category, urls }) =>
    urls.map((url, position) => ({ host_id: id, category, position, url })),
  )
  if (urls.length > 0) await tx.insertInto('host_urls').values(urls).execute()
  const netblocks = host.netblocks.map((netblock) => ({ host_id: id, netblock }))
  if (netblocks.length > 0) await tx.insertInto('host_netblocks').values(netblocks).execute()
  const asns = host.peerAsns.map((asn) => ({ host_id: id, asn }))
  if (asns.length > 0) await tx.insertInto('host_peer_asns').values(asns).execute()
  const countries = host.allowedCountries.map((country) => ({ host_id: id, country }))
  if (countries.length > 0) await tx.insertInto('host_countries').values(countries).execute()
}

/** All of them, in order of id; a few queries however many there are. */
export async function listHosts(db: Reader): Promise<HostRow[]> {
  const rows = await db.selectFrom('hosts').selectAll().orderBy('id').execute()
  const sites = new Map((await listSites(db)).map((site) => [site.id, site]))
  const urls = groupBy(await db.selectFrom('host_urls').selectAll().orderBy('category').orderBy('position').execute())
  const netblocks = groupBy(await db.selectFrom('host_netblocks').selectAll().orderBy('netblock').execute())
  const asns = groupBy(await db.selectFrom('host_peer_asns').selectAll().orderBy('asn').execute())
  const countries = groupBy(await db.selectFrom('host_countries').selectAll().orderBy('country').execute())
  return rows.map((row) => ({
    id: row.id,
    site: sites.get(row.site_id)!,
    name: row.name,
    country: row.country ?? undefined,
    latitude: toDegrees(row.latitude_microdegrees),
    longitude: toDegrees(row.longitude_microdegrees),
    bandwidthMbps: row.bandwidth_mbps,
    grade: row.grade,
    isPrivate: row.is_private === 1,
    isAdminActive: row.is_admin_active === 1,
    isUserActive: row.is_user_active === 1,
    disableReason: row.disable_reason ?? undefined,
    asn: row.asn ?? undefined,
    isAsnClients: row.is_asn_clients === 1,
    peerAsns: (asns.get(row.id) ?? []).map((one) => one.asn),
    netblocks: (netblocks.get(row.id) ?? []).map((one) => one.netblock),
    allowedCountries: (countries.get(row.id) ?? []).map((one) => one.country),
    categories: toCategories(urls.get(row.id) ?? []),
    ticket: row.ticket,
    contact: row.contact ?? undefined,
  }))
}

function groupBy<T extends { readonly host_id: number }>(rows: readonly T[]): Map<number, T[]> {
  const groups = new Map<number, T[]>()
  for (const row of rows) {
    const group = groups.get(row.host_id)
    if (group) group.push(row)
    else groups.set(row.host_id, [row])
  }
  return groups
}

function toCategories(rows: readonly Schema['host_urls'][]): HostCategoryRow[] {
  const categories = new Map<string, string[]>()
  for (const { category, url } of rows) categories.set(category, [...(categories.get(category) ?? []), url])
  return [...categories].map(([category, urls]) => ({ category, urls }))
}
