import { createRoute, z } from '@hono/zod-openapi'
import { type ApiApp, type ApiStores, json, need, refusals, requirePublic } from '#api/api-context.ts'
import { findGeneration, type GenerationRow, listGenerations } from '#catalogue/generations.ts'
import { enqueue } from '#jobs/queue.ts'
import { RegistryError } from '#oci/errors.ts'
import { Job, requireJob } from './jobs.ts'

const Generation = z
  .object({
    channel: z.string(),
    generation: z.int(),
    state: z.enum(['rendering', 'published']),
    createdAt: z.iso.datetime(),
    publishedAt: z.iso.datetime().optional(),
    actor: z.string(),
    reason: z.string().optional(),
    repositoriesChanged: z.int().optional(),
    blobsAdded: z.int().optional(),
    bytesAdded: z.int().optional(),
  })
  .openapi('Generation')

const channelQuery = z.string().optional().openapi({ description: 'Default: the channel that the front door serves.' })

const list = createRoute({
  method: 'get',
  path: '/api/v1/generations',
  summary: 'Generations of a channel, newest first',
  request: { query: z.object({ channel: channelQuery, limit: z.coerce.number().int().min(1).max(1000).default(50) }) },
  responses: { 200: json(z.object({ generations: z.array(Generation) }), 'The generations.'), ...refusals },
})

const show = createRoute({
  method: 'get',
  path: '/api/v1/generations/{generation}',
  summary: 'One generation',
  request: {
    params: z.object({ generation: z.coerce.number().int().min(1) }),
    query: z.object({ channel: channelQuery }),
  },
  responses: { 200: json(Generation, 'The generation.'), ...refusals },
})

const publish = createRoute({
  method: 'post',
  path: '/api/v1/publications',
  summary: 'Publish a public channel now',
  request: {
    body: {
      required: false,
      content: {
        'application/json': {
          schema: z.strictObject({ channel: z.string().optional(), reason: z.string().max(2000).optional() }),
        },
      },
    },
  },
  responses: { 202: json(Job, 'The job; its result names the generation.'), ...refusals },
})

export function generationRoutes(app: ApiApp, stores: ApiStores): void {
  app.openapi(list, async (context) => {
    need(context, 'read')
    const { channel, limit } = context.req.valid('query')
    const rows = await listGenerations(stores.catalogue, requirePublic(channel, stores), limit)
    return context.json({ generations: rows.map(toGeneration) }, 200)
  })

  app.openapi(show, async (context) => {
    need(context, 'read')
    const channel = requirePublic(context.req.valid('query').channel, stores)
    const { generation } = context.req.valid('param')
    const row = await findGeneration(stores.catalogue, channel, generation)
    if (!row) throw new RegistryError('NOT_FOUND', `${channel} has no generation ${generation}`)
    return context.json(toGeneration(row), 200)
  })

  app.openapi(publish, async (context) => {
    const identity = need(context, 'publish')
    const body = context.req.valid('json')
    const channel = requirePublic(body?.channel, stores)
    const nowMs = stores.now()
    const id = await stores.catalogue.transaction().execute((tx) =>
      enqueue(
        tx,
        {
          kind: 'publish',
          payload: { channel, actor: identity.name, reason: body?.reason },
          dedupeKey: channel,

          runAtMs: nowMs,
        },
        nowMs,
      ),
    )
    stores.nudge()
    return context.json(await requireJob(stores.catalogue, id), 202)
  })
}

function toGeneration(row: GenerationRow): z.infer<typeof Generation> {
  const summary = row.summary as { repositoriesChanged?: number; blobsAdded?: number; bytesAdded?: number }
  return {
    channel: row.channel,
    generation: row.number,
    state: row.state,
    createdAt: new Date(row.createdAtMs).toISOString(),
    ...(row.publishedAtMs === undefined ? {} : { publishedAt: new Date(row.publishedAtMs).toISOString() }),
    actor: row.actor,
    ...(row.reason === undefined ? {} : { reason: row.reason }),
    ...(summary.repositoriesChanged === undefined ? {} : { repositoriesChanged: summary.repositoriesChanged }),
    ...(summary.blobsAdded === undefined ? {} : { blobsAdded: summary.blobsAdded }),
    ...(summary.bytesAdded === undefined ? {} : { bytesAdded: summary.bytesAdded }),
  }
}
