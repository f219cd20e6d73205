import { createRoute, z } from '@hono/zod-openapi'
import { type ApiApp, type ApiStores, json, need, refusals, requirePublic } from '#api/api-context.ts'
import { keepFor } from '#api/public/keep-for.ts'
import { listBlobRepositories } from '#catalogue/blobs.ts'
import { dayOf, listPopular, type PopularBlob } from '#catalogue/pulls.ts'
import type { Catalogue } from '#catalogue/schema.ts'

const Popular = z
  .object({
    digest: z.string(),
    sizeBytes: z.int(),
    score: z.int().openapi({ description: '1000 for a pull of today, half of that for one of two weeks ago.' }),
    pulls: z.int().openapi({ description: 'Of the last 90 days.' }),
    repositories: z.array(z.string()).openapi({ description: 'Some that hold it, by name.' }),
  })
  .openapi('PopularBlob')

const mostRepositories = 5
const mostBlobs = 1000
/** The list is made from every pull of 90 days. */
const cacheMs = 5000

const list = createRoute({
  method: 'get',
  path: '/api/v1/popularity',
  summary: 'The blobs of a public channel that were pulled most',
  request: {
    query: z.object({
      channel: z.string().optional(),
      limit: z.coerce.number().int().min(1).max(mostBlobs).default(50),
    }),
  },
  responses: {
    200: json(z.object({ channel: z.string(), blobs: z.array(Popular) }), 'The highest score first.'),
    ...refusals,
  },
})

export function popularityRoutes(app: ApiApp, stores: ApiStores): void {
  const { catalogue, publicChannels, now } = stores
  const lists = new Map(
    publicChannels.map((channel) => [
      channel,
      keepFor(cacheMs, now, () => listPopular(catalogue, channel, dayOf(now()), mostBlobs)),
    ]),
  )
  app.openapi(list, async (context) => {
    need(context, 'read')
    const { channel: named, limit } = context.req.valid('query')
    const channel = requirePublic(named, stores)
    const popular = await lists.get(channel)!()
    const blobs = await Promise.all(popular.slice(0, limit).map((blob) => withRepositories(catalogue, blob)))
    return context.json({ channel, blobs }, 200)
  })
}

async function withRepositories(catalogue: Catalogue, blob: PopularBlob) {
  return { ...blob, repositories: await listBlobRepositories(catalogue, blob.digest, mostRepositories) }
}
