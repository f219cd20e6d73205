// The statistics routes and what they answer, for the OpenAPI description.

import { createRoute, z } from '@hono/zod-openapi'
import { json, refusals } from '#api/api-context.ts'
import { measures, subjectKinds } from '#snapshots/statistics.ts'

const meanings: Readonly<Record<(typeof measures)[number], string>> = {
  redirects: 'Answers that sent a client to a host.',
  redirectedBytes: 'Bytes that these asked for, of a Range its part.',
  manifests: 'Manifests sent.',
  manifestBytes: '',
  packed: 'Small blobs sent.',
  packedBytes: '',
  origin: 'Layers sent from here or by the origin.',
  originBytes: '',
  streams: 'Layers read from hosts and passed on.',
  streamedBytes: '',
  told: 'HEAD, or the client had it already.',
  refused: 'Unknown, withdrawn, or asked for too often.',
  held: 'Answers that waited for a probe; also counted by what they came to.',
}

const Row = z
  .object({
    start: z.iso.datetime().optional().openapi({ description: 'Of the step.' }),
    subject: z.string().openapi({
      description:
        'A host, country, repository or repository:tag; (unknown): nothing that is published; (other): all that have no row of their own.',
    }),
    ...(Object.fromEntries(measures.map((name) => [name, z.int().openapi({ description: meanings[name] })])) as Record<
      (typeof measures)[number],
      z.ZodInt
    >),
  })
  .openapi('StatisticsRow')

export const StatisticsDocument = z
  .object({
    channel: z.string(),
    by: z.enum(subjectKinds),
    from: z.iso.datetime(),
    to: z.iso.datetime(),
    rows: z.array(Row),
  })
  .openapi('Statistics')

export const mostRows = 10_000
export const periods = ['day', 'month', 'year'] as const

const time = z.union([z.iso.datetime({ offset: true }), z.iso.date()], {
  error: 'is no time: 2026-03-01 or 2026-03-01T12:00:00Z',
})

export const statistics = createRoute({
  method: 'get',
  path: '/api/v1/statistics',
  summary: 'Who was answered what: by host, country, repository or tag',
  description:
    'As CSV with `format=csv` or `Accept: text/csv`. A token that checks in for a host sees that host without `api:read`.',
  request: {
    query: z.object({
      by: z.enum(subjectKinds).default('country'),
      from: time
        .optional()
        .openapi({ description: 'Default: a day before `to`. Counted from the beginning of its hour.' }),
      to: time.optional().openapi({ description: 'Exclusive; default: now.' }),
      step: z.enum(['hour', 'day', 'month']).optional().openapi({
        description: 'A row for each; coarser where the time is no longer kept so finely. Default: one sum.',
      }),
      channel: z.string().optional(),
      limit: z.coerce.number().int().min(1).max(mostRows).default(100).openapi({ description: 'Subjects.' }),
      format: z.enum(['json', 'csv']).optional(),
    }),
  },
  responses: {
    200: {
      description: 'The subjects with the most answers first; by steps the oldest first.',
      content: {
        'application/json': { schema: StatisticsDocument },
        'text/csv': {
          schema: z.string().openapi({ description: 'The same rows, with the names of the fields on top.' }),
        },
      },
    },
    ...refusals,
  },
})

export const publicStatistics = createRoute({
  method: 'get',
  path: '/api/v1/status/statistics',
  summary: 'The same in sums of what anybody may know; no login needed',
  security: [],
  request: {
    query: z.object({ by: z.enum(subjectKinds).default('repository'), period: z.enum(periods).default('day') }),
  },
  responses: {
    200: json(StatisticsDocument, 'Hosts that are not private, repositories and tags that are served now.'),
    400: refusals[400],
  },
})
