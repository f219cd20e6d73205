// What the status routes answer, for the OpenAPI description.

import { z } from '@hono/zod-openapi'
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
