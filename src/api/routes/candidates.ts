import { createRoute, z } from '@hono/zod-openapi'
import { type ApiApp, type ApiStores, json, need, refusals } from '#api/api-context.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseImageReference } from '#oci/reference.ts'
import { describeCandidate, listCandidates } from '#stages/candidate/list-candidates.ts'

const Candidate = z
  .object({
    repository: z.string(),
    tag: z.string(),
    digest: z.string(),
    mediaType: z.string(),
    pushedAt: z.iso.datetime(),
  })
  .openapi('Candidate')

const list = createRoute({
  method: 'get',
  path: '/api/v1/candidates',
  summary: 'What was pushed, newest first',
  request: {
    query: z.object({
      repository: z.string().optional(),
      limit: z.coerce.number().int().min(1).max(1000).default(100),
    }),
  },
  responses: { 200: json(z.object({ candidates: z.array(Candidate) }), 'The candidates.'), ...refusals },
})
const show = createRoute({
  method: 'get',
  path: '/api/v1/candidate',
  summary: 'One candidate: its images, layers, labels and referrers',
  request: { query: z.object({ ref: z.string().openapi({ example: 'fedora:44' }) }) },
  responses: { 200: json(z.unknown(), 'The candidate.'), ...refusals },
})

export function candidateRoutes(app: ApiApp, stores: ApiStores): void {
  app.openapi(list, async (context) => {
    need(context, 'read')
    const { repository, limit } = context.req.valid('query')
    const rows = await listCandidates(stores.candidate, { limit, ...(repository === undefined ? {} : { repository }) })
    return context.json(
      { candidates: rows.map(({ pushedAtMs, ...row }) => ({ ...row, pushedAt: new Date(pushedAtMs).toISOString() })) },
      200,
    )
  })
  app.openapi(show, async (context) => {
    need(context, 'read')
    const reference = parseImageReference(context.req.valid('query').ref)
    if (!reference) throw new RegistryError('REQUEST_INVALID', 'ref is name, name:tag or name@digest')
    return context.json((await describeCandidate(stores.candidate, reference)) as never, 200)
  })
}
