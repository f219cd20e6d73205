import { createRoute, z } from '@hono/zod-openapi'
import { findLatestGeneration } from '#catalogue/generations.ts'
import {
  addCheckIn,
  addHost,
  addSite,
  findLastCheckIn,
  findPresence,
  findSite,
  type HostFacts,
  type HostRow,
  listHosts,
  listSites,
  updateHost,
} from '#catalogue/hosts.ts'
import { enqueue } from '#jobs/queue.ts'
import { RegistryError } from '#oci/errors.ts'
import { validateHost } from '#stages/mirror/validate-host.ts'
import { type ApiApp, type ApiStores, json, need, refusals } from '../api-context.ts'
import { Job, requireJob } from './jobs.ts'

const Site = z
  .object({
    name: z.string(),
    organisationUrl: z.string().optional(),
    isPrivate: z.boolean(),
    contact: z.string().optional(),
  })
  .openapi('Site')

const Category = z.object({ category: z.string(), urls: z.array(z.string().max(500)) })

const hostFields = {
  country: z.string().optional(),
  bandwidthMbps: z.int(),
  grade: z.enum(['gold', 'proven', 'probation']),
  isPrivate: z.boolean(),
  asn: z.int().optional(),
  isAsnClients: z.boolean(),
  peerAsns: z.array(z.int()).max(1000),
  netblocks: z.array(z.string()).max(1000),
  allowedCountries: z.array(z.string()).max(300),
  categories: z.array(Category).max(32),
  ticket: z.enum(['query', 'none']),
  contact: z.string().optional(),
}

const Host = z
  .object({
    id: z.int(),
    name: z.string(),
    site: z.string(),
    ...hostFields,
    isAdminActive: z.boolean(),
    isUserActive: z.boolean(),
    disableReason: z.string().optional(),
    presence: z.object({ generation: z.int(), missing: z.int(), extra: z.int() }).optional(),
    latestGeneration: z.int().optional(),
    lastCheckIn: z.object({ generation: z.int(), at: z.iso.datetime() }).optional(),
    state: z.unknown().optional().openapi({ description: 'Liveness, circuit and the last crawl with its evidence.' }),
  })
  .openapi('Host')

const NewHost = z.strictObject({
  name: z.string(),
  site: z
    .string()
    .optional()
    .openapi({ description: 'Default: a site of the name of the host, made when it is not there.' }),
  urls: z
    .array(z.string().max(500))
    .max(4)
    .optional()
    .openapi({ description: 'Addresses below which the channel of the front door lies.' }),
  country: hostFields.country,
  bandwidthMbps: z.int().default(100),
  grade: hostFields.grade.default('probation'),
  isPrivate: z.boolean().default(false),
  asn: hostFields.asn,
  isAsnClients: z.boolean().default(true),
  peerAsns: hostFields.peerAsns.default([]),
  netblocks: hostFields.netblocks.default([]),
  allowedCountries: hostFields.allowedCountries.default([]),
  categories: hostFields.categories.default([]),
  ticket: hostFields.ticket.default('query'),
  contact: hostFields.contact,
})

const HostChange = z
  .strictObject({
    ...hostFields,
    urls: z.array(z.string().max(500)).max(4),
    isAdminActive: z.boolean(),
    isUserActive: z.boolean(),
    disableReason: z.string().max(500),
  })
  .partial()

const byName = { params: z.object({ id: z.string().openapi({ description: 'Name or number of the host.' }) }) }
const body = <T extends z.ZodType>(schema: T) => ({ required: true, content: { 'application/json': { schema } } })

const routes = {
  listSites: createRoute({
    method: 'get',
    path: '/api/v1/sites',
    summary: 'Organisations that run hosts',
    responses: { 200: json(z.object({ sites: z.array(Site) }), 'The sites.'), ...refusals },
  }),
  addSite: createRoute({
    method: 'post',
    path: '/api/v1/sites',
    summary: 'Add an organisation',
    request: {
      body: body(
        z.strictObject({
          name: z.string().min(1).max(100),
          organisationUrl: z.url().max(500).optional(),
          isPrivate: z.boolean().default(false),
          contact: z.string().max(320).optional(),
        }),
      ),
    },
    responses: { 201: json(Site, 'The site.'), ...refusals },
  }),
  list: createRoute({
    method: 'get',
    path: '/api/v1/hosts',
    summary: 'All hosts, and why each is or is not used',
    responses: { 200: json(z.object({ hosts: z.array(Host) }), 'The hosts.'), ...refusals },
  }),
  add: createRoute({
    method: 'post',
    path: '/api/v1/hosts',
    summary: 'Add a host; it is crawled at once',
    request: { body: body(NewHost) },
    responses: { 201: json(Host, 'The host.'), ...refusals },
  }),
  show: createRoute({
    method: 'get',
    path: '/api/v1/hosts/{id}',
    summary: 'One host with the evidence about it',
    request: byName,
    responses: { 200: json(Host, 'The host.'), ...refusals },
  }),
  change: createRoute({
    method: 'patch',
    path: '/api/v1/hosts/{id}',
    summary: 'Change a host, or switch it on or off',
    request: { ...byName, body: body(HostChange) },
    responses: { 200: json(Host, 'The host.'), ...refusals },
  }),
  check: createRoute({
    method: 'post',
    path: '/api/v1/hosts/{id}/check',
    summary: 'Crawl a host now',
    request: byName,
    responses: { 202: json(Job, 'The job.'), ...refusals },
  }),
  checkIn: createRoute({
    method: 'post',
    path: '/api/v1/hosts/{id}/check-ins',
    summary: 'Say that a copy is complete; it is verified, never believed',
    request: {
      ...byName,
      body: body(
        z.strictObject({
          generation: z.int().min(1),
          channel: z.string().optional(),
          software: z.string().max(200).optional(),
        }),
      ),
    },
    responses: { 202: json(Job, 'The job that verifies it.'), ...refusals },
  }),
}

export function hostRoutes(app: ApiApp, stores: ApiStores): void {
  const { catalogue, now } = stores

  app.openapi(routes.listSites, async (context) => {
    need(context, 'read')
    return context.json({ sites: (await listSites(catalogue)).map(toSite) }, 200)
  })

  app.openapi(routes.addSite, async (context) => {
    need(context, 'hosts')
    const { name, organisationUrl, isPrivate, contact } = context.req.valid('json')
    const site = await catalogue
      .transaction()
      .execute((tx) => addSite(tx, { name, organisationUrl, isPrivate, contact }, now()))
    if (!site) throw new RegistryError('CONFLICT', `there is a site ${name} already`)
    return context.json(toSite(site), 201)
  })

  app.openapi(routes.list, async (context) => {
    need(context, 'read')
    const hosts = await Promise.all((await listHosts(catalogue)).map((host) => toHost(host, stores)))
    return context.json({ hosts } as never, 200)
  })

  app.openapi(routes.add, async (context) => {
    need(context, 'hosts')
    const asked = context.req.valid('json')
    const { site: siteName = asked.name, urls = [], ...declared } = asked
    const categories =
      urls.length > 0 ? [...declared.categories, { category: stores.publicChannel, urls }] : declared.categories
    const facts = toFacts(validateHost(toDeclaration({ ...declared, categories }), stores.hostPolicy()), {
      isAdminActive: true,
      isUserActive: true,
      disableReason: undefined,
    })
    const nowMs = now()
    const id = await catalogue.transaction().execute(async (tx) => {
      const site =
        (await findSite(tx, siteName)) ??
        (await addSite(tx, { name: siteName, organisationUrl: undefined, isPrivate: false, contact: undefined }, nowMs))
      const added = await addHost(tx, site!.id, facts, nowMs)
      if (added === undefined)
        throw new RegistryError('CONFLICT', `there is a host ${asked.name} already, or another one has its address`)
      await requestCrawl(tx, added, stores.publicChannel, nowMs)
      return added
    })
    stores.nudge()
    return context.json((await toHost(await requireHost(String(id), stores), stores)) as never, 201)
  })

  app.openapi(routes.show, async (context) => {
    need(context, 'read')
    return context.json((await toHost(await requireHost(context.req.valid('param').id, stores), stores)) as never, 200)
  })

  app.openapi(routes.change, async (context) => {
    need(context, 'hosts')
    const host = await requireHost(context.req.valid('param').id, stores)
    const { urls, isAdminActive, isUserActive, disableReason, ...change } = context.req.valid('json')
    const given = Object.fromEntries(
      Object.entries(change).filter(([, value]) => value !== undefined),
    ) as Partial<HostFacts>
    const categories = urls
      ? [
          ...host.categories.filter((one) => one.category !== stores.publicChannel),
          { category: stores.publicChannel, urls },
        ]
      : (given.categories ?? host.categories)
    const declared = validateHost(toDeclaration({ ...host, ...given, categories }), stores.hostPolicy())
    const isOn = (isAdminActive ?? host.isAdminActive) && (isUserActive ?? host.isUserActive)
    const facts = toFacts(declared, {
      isAdminActive: isAdminActive ?? host.isAdminActive,
      isUserActive: isUserActive ?? host.isUserActive,
      disableReason: isOn ? undefined : (disableReason ?? host.disableReason),
    })
    const nowMs = now()
    await catalogue.transaction().execute(async (tx) => {
      if (!(await updateHost(tx, host.id, facts, nowMs)))
        throw new RegistryError('CONFLICT', 'another host has one of these addresses')
      if (isOn) await requestCrawl(tx, host.id, stores.publicChannel, nowMs)
    })
    await stores.hostsChanged()
    stores.nudge()
    return context.json((await toHost(await requireHost(String(host.id), stores), stores)) as never, 200)
  })

  app.openapi(routes.check, async (context) => {
    need(context, 'hosts')
    const host = await requireHost(context.req.valid('param').id, stores)
    const nowMs = now()
    const id = await catalogue.transaction().execute((tx) => requestCrawl(tx, host.id, stores.publicChannel, nowMs))
    stores.nudge()
    return context.json(await requireJob(catalogue, id), 202)
  })

  app.openapi(routes.checkIn, async (context) => {
    need(context, 'hosts')
    const host = await requireHost(context.req.valid('param').id, stores)
    const { generation, channel = stores.publicChannel, software } = context.req.valid('json')
    const nowMs = now()
    await addCheckIn(catalogue, {
      hostId: host.id,
      channel,
      generation,
      atMs: nowMs,
      detail: JSON.stringify({ software }),
    })
    const id = await catalogue.transaction().execute((tx) => requestCrawl(tx, host.id, channel, nowMs))
    stores.nudge()
    return context.json(await requireJob(catalogue, id), 202)
  })
}

function requestCrawl(
  tx: Parameters<typeof enqueue>[0],
  hostId: number,
  channel: string,
  nowMs: number,
): Promise<string> {
  return enqueue(
    tx,
    {
      kind: 'crawl',
      payload: { hostId, channel },
      dedupeKey: `${hostId}/${channel}`,

      runAtMs: nowMs,
      maxAttempts: 1,
    },
    nowMs,
  )
}

async function requireHost(id: string, { catalogue }: ApiStores): Promise<HostRow> {
  const host = (await listHosts(catalogue)).find((one) => one.name === id || String(one.id) === id)
  if (!host) throw new RegistryError('NOT_FOUND', `there is no host ${JSON.stringify(id.slice(0, 100))}`)
  return host
}

type Declared = Parameters<typeof validateHost>[0]

/** What may be declared, with every absent thing said to be so. */
function toDeclaration(
  host: { readonly [K in keyof Declared]?: Declared[K] | undefined } & Pick<
    Declared,
    'name' | 'bandwidthMbps' | 'grade' | 'isPrivate' | 'isAsnClients' | 'ticket'
  >,
): Declared {
  return {
    name: host.name,
    country: host.country,
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

function toFacts(
  declared: Declared,
  switches: Pick<HostFacts, 'isAdminActive' | 'isUserActive' | 'disableReason'>,
): HostFacts {
  return { ...declared, ...switches }
}

function toSite(site: {
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

async function toHost(host: HostRow, stores: ApiStores) {
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
    lastCheckIn: checkIn && { generation: checkIn.generation, at: new Date(checkIn.atMs).toISOString() },
    state: await stores.describeHost(host.id),
  }
}
