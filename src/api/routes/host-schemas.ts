// What the control API takes and tells of sites and hosts.

import { createRoute, z } from '@hono/zod-openapi'
import { json, refusals } from '#api/api-context.ts'
import { Job } from './jobs.ts'

export const Site = z
  .object({
    name: z.string(),
    organisationUrl: z.string().optional(),
    isPrivate: z.boolean(),
    contact: z.string().optional(),
  })
  .openapi('Site')

/** Of one line: it is shown on terminals and pages. */
export const line = (longest: number) =>
  z
    .string()
    .max(longest)
    .regex(/^\P{Cc}*$/u, 'has control characters')
const siteName = line(100).min(1)

const Category = z.object({ category: z.string(), urls: z.array(z.string().max(500)) })

const hostFields = {
  country: z.string().optional(),
  latitude: z.number().optional().openapi({ description: 'Degrees, north positive; with longitude, or not at all.' }),
  longitude: z.number().optional().openapi({ description: 'Degrees, east positive.' }),
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

export const Host = z
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
    lastCheckIn: z
      .object({
        generation: z.int(),
        at: z.iso.datetime(),
        source: z.string(),
        state: z.string(),
        provenGeneration: z.int().optional(),
        reason: z.string().optional(),
      })
      .optional(),
    state: z.unknown().optional().openapi({ description: 'Liveness, circuit and the last crawl with its evidence.' }),
  })
  .openapi('Host')

const NewHost = z.strictObject({
  name: z.string(),
  site: siteName
    .optional()
    .openapi({ description: 'Default: a site of the name of the host, made when it is not there.' }),
  urls: z
    .array(z.string().max(500))
    .max(4)
    .optional()
    .openapi({ description: 'Addresses below which the channel of the front door lies.' }),
  country: hostFields.country,
  latitude: hostFields.latitude,
  longitude: hostFields.longitude,
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
    disableReason: line(500),
  })
  .partial()

export const byName = { params: z.object({ id: z.string().openapi({ description: 'Name or number of the host.' }) }) }
const ifMatch = z.object({
  'if-match': z.string().max(1000).optional().openapi({
    description: 'The ETag that the change was made from; refused with 412 when the host is another by now.',
  }),
})
export const body = <T extends z.ZodType>(schema: T) => ({
  required: true,
  content: { 'application/json': { schema } },
})

export const routes = {
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
          name: siteName,
          organisationUrl: z.url().max(500).optional(),
          isPrivate: z.boolean().default(false),
          contact: line(320).optional(),
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
    request: { ...byName, headers: ifMatch, body: body(HostChange) },
    responses: { 200: json(Host, 'The host.'), ...refusals },
  }),
  check: createRoute({
    method: 'post',
    path: '/api/v1/hosts/{id}/check',
    summary: 'Crawl a host now',
    request: byName,
    responses: { 202: json(Job, 'The job.'), ...refusals },
  }),
}
