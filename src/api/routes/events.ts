import { createRoute, z } from '@hono/zod-openapi'
import { type ApiApp, type ApiStores, json, need, refusals } from '#api/api-context.ts'
import { listEvents } from '#catalogue/events.ts'

const Event = z
  .object({
    sequence: z.int(),
    id: z.string(),
    type: z.string(),
    subject: z.string(),
    at: z.iso.datetime(),
    data: z.unknown(),
  })
  .openapi('Event')

const list = createRoute({
  method: 'get',
  path: '/api/v1/events',
  summary: 'Everything that happened, in order, after a place in the stream',
  request: {
    query: z.object({
      after: z.coerce.number().int().min(0).default(0),
      limit: z.coerce.number().int().min(1).max(1000).default(100),
    }),
  },
  responses: {
    200: json(z.object({ events: z.array(Event) }), 'Go on with `after` set to the last sequence.'),
    ...refusals,
  },
})

export function eventRoutes(app: ApiApp, { catalogue }: ApiStores): void {
  app.openapi(list, async (context) => {
    need(context, 'read')
    const { after, limit } = context.req.valid('query')
    const events = await listEvents(catalogue, after, limit)
    return context.json(
      {
        events: events.map(({ sequence, id, type, subject, atMs, data }) => ({
          sequence,
          id,
          type,
          subject,
          at: new Date(atMs).toISOString(),
          data,
        })),
      },
      200,
    )
  })
}
