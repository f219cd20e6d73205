// The status routes and what they answer, for the OpenAPI description.

import { createRoute, z } from '@hono/zod-openapi'
import { json, refusals } from '#api/api-context.ts'
import { hostStates } from '#api/public/describe-host.ts'

const page = { matches: z.int(), next: z.string().optional().openapi({ description: 'Give it back as `after`.' }) }
const time = z.iso.datetime()

export const StatusOverview = z
  .object({
    channel: z.string(),
    frontdoorUrl: z.string().optional(),
    serving: z
      .object({
        generation: z.int(),
        createdAt: time,
        repositories: z.int(),
        tree: z.object({ blobs: z.int(), sizeBytes: z.int() }),
      })
      .optional()
      .openapi({ description: 'What the front door answers from now; absent before the first generation.' }),
    published: z.array(z.object({ channel: z.string(), generation: z.int(), publishedAt: time })),
    hosts: z.object({
      shown: z.int(),
      used: z.int(),
      private: z.int(),
      isWatchFresh: z.boolean().openapi({ description: 'False: nobody has looked at the hosts for a while.' }),
      watchedAt: time.optional(),
    }),
  })
  .openapi('StatusOverview')

export const StatusGenerations = z
  .object({
    generations: z.array(
      z.object({
        channel: z.string(),
        generation: z.int(),
        publishedAt: time,
        repositoriesChanged: z.int().optional(),
        blobsAdded: z.int().optional(),
        bytesAdded: z.int().optional(),
      }),
    ),
  })
  .openapi('StatusGenerations')

export const StatusRepositories = z
  .object({
    ...page,
    repositories: z.array(
      z.object({
        name: z.string(),
        tagCount: z.int(),
        tags: z.array(z.string()).openapi({ description: 'The first few; the first one is what people pull.' }),
        sizeBytes: z.int().optional().openapi({ description: 'What a pull of the first tag takes, for one platform.' }),
      }),
    ),
  })
  .openapi('StatusRepositories')

export const StatusRepository = z
  .object({
    ...page,
    name: z.string(),
    tagCount: z.int(),
    manifestCount: z.int(),
    leadTag: z.string().optional(),
    storedBytes: z.int().openapi({ description: 'All versions and platforms together.' }),
    tags: z.array(
      z.object({
        tag: z.string(),
        digest: z.string(),
        mediaType: z.string(),
        platforms: z.array(z.string()),
        sizeBytes: z.int().optional(),
      }),
    ),
  })
  .openapi('StatusRepository')

export const StatusHosts = z
  .object({
    ...page,
    generation: z.int(),
    private: z.int(),
    hosts: z.array(
      z.object({
        name: z.string(),
        site: z.string(),
        grade: z.enum(['gold', 'proven', 'probation']),
        country: z.string().optional(),
        allowedCountries: z.array(z.string()),
        urls: z.array(z.string()),
        bandwidthMbps: z.int(),
        generation: z.int(),
        missing: z.int(),
        extra: z.int(),
        state: z.enum(hostStates),
        reason: z.string().optional(),
        isAlive: z.boolean().optional(),
        circuit: z.enum(['closed', 'open', 'draining']).optional(),
        checkedAt: time.optional(),
        roundTripMs: z.number().optional(),
        lastCrawl: z.object({ at: time, outcome: z.string() }).optional(),
      }),
    ),
  })
  .openapi('StatusHosts')

export const mostGenerations = 100

/** Of one line, as every name is. */
const text = z
  .string()
  .max(255)
  .regex(/^\P{Cc}*$/u, 'has control characters')

const pageQuery = {
  q: text.default('').openapi({ description: 'Only names that contain this.' }),
  after: text.default('').openapi({ description: 'The `next` of the page before.' }),
  limit: z.coerce.number().int().min(1).max(100).default(25),
}

export const routes = {
  overview: createRoute({
    method: 'get',
    path: '/api/v1/status',
    summary: 'The public channels and their fleet in numbers; no login needed',
    security: [],
    responses: { 200: json(StatusOverview, 'The overview.') },
  }),
  generations: createRoute({
    method: 'get',
    path: '/api/v1/status/generations',
    summary: 'The last generations of the public channels, newest first; no login needed',
    security: [],
    request: { query: z.object({ limit: z.coerce.number().int().min(1).max(mostGenerations).default(10) }) },
    responses: { 200: json(StatusGenerations, 'The generations.'), 400: refusals[400] },
  }),
  repositories: createRoute({
    method: 'get',
    path: '/api/v1/status/repositories',
    summary: 'Repositories that the front door serves, by name; no login needed',
    security: [],
    request: { query: z.object(pageQuery) },
    responses: { 200: json(StatusRepositories, 'A page of repositories.'), 400: refusals[400] },
  }),
  repository: createRoute({
    method: 'get',
    path: '/api/v1/status/repository',
    summary: 'One repository with its tags; no login needed',
    security: [],
    request: { query: z.object({ name: text, ...pageQuery }) },
    responses: { 200: json(StatusRepository, 'The repository and a page of its tags.'), ...refusals },
  }),
  hosts: createRoute({
    method: 'get',
    path: '/api/v1/status/hosts',
    summary: 'Hosts, and why each is used or not; private ones are only counted; no login needed',
    security: [],
    request: {
      query: z.object({
        ...pageQuery,
        used: z.enum(['yes', 'no', '']).default('').openapi({ description: 'Only hosts that are, or are not, used.' }),
      }),
    },
    responses: { 200: json(StatusHosts, 'A page of hosts.'), 400: refusals[400] },
  }),
}
