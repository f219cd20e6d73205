import { createRoute, z } from '@hono/zod-openapi'
import { type ApiApp, type ApiStores, json, need, refusals } from '#api/api-context.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { cancel, findJob, type Job as JobRow, listJobs } from '#jobs/queue.ts'
import { RegistryError } from '#oci/errors.ts'

const states = ['waiting', 'running', 'done', 'failed', 'canceled'] as const

export const Job = z
  .object({
    id: z.string(),
    kind: z.string(),
    state: z.enum(states),
    attempts: z.int(),
    progress: z.unknown().optional(),
    result: z.unknown().optional(),
    error: z.string().optional(),
    runAt: z.iso.datetime(),
    createdAt: z.iso.datetime(),
    finishedAt: z.iso.datetime().optional(),
  })
  .openapi('Job')

const params = z.object({ id: z.string() })
const list = createRoute({
  method: 'get',
  path: '/api/v1/jobs',
  summary: 'Jobs, newest first',
  request: {
    query: z.object({ state: z.enum(states).optional(), limit: z.coerce.number().int().min(1).max(1000).default(50) }),
  },
  responses: { 200: json(z.object({ jobs: z.array(Job) }), 'The jobs.'), ...refusals },
})
const show = createRoute({
  method: 'get',
  path: '/api/v1/jobs/{id}',
  summary: 'State, progress and result of a job',
  request: { params },
  responses: { 200: json(Job, 'The job.'), ...refusals },
})
const stop = createRoute({
  method: 'post',
  path: '/api/v1/jobs/{id}/cancel',
  summary: 'Cancel a job',
  request: { params },
  responses: { 202: json(Job, 'The job; a running one ends soon.'), ...refusals },
})

export function jobRoutes(app: ApiApp, { catalogue, now }: ApiStores): void {
  app.openapi(list, async (context) => {
    need(context, 'read')
    const { state, limit } = context.req.valid('query')
    return context.json({ jobs: (await listJobs(catalogue, { limit, ...(state ? { state } : {}) })).map(toJob) }, 200)
  })
  app.openapi(show, async (context) => {
    need(context, 'read')
    return context.json(await requireJob(catalogue, context.req.valid('param').id), 200)
  })
  app.openapi(stop, async (context) => {
    need(context, 'publish')
    const { id } = context.req.valid('param')
    const job = await requireJob(catalogue, id)
    if (!(await cancel(catalogue, id, now())))
      throw new RegistryError('CONFLICT', `job ${id} is ${job.state}: it is over`)
    return context.json(await requireJob(catalogue, id), 202)
  })
}

export async function requireJob(catalogue: Catalogue, id: string): Promise<z.infer<typeof Job>> {
  const job = await findJob(catalogue, id)
  if (!job) throw new RegistryError('NOT_FOUND', `there is no job ${id}`)
  return toJob(job)
}

function toJob(job: JobRow): z.infer<typeof Job> {
  return {
    id: job.id,
    kind: job.kind,
    state: job.state,
    attempts: job.attempts,
    ...(job.progress === undefined ? {} : { progress: job.progress }),
    ...(job.result === undefined ? {} : { result: job.result }),
    ...(job.error === undefined ? {} : { error: job.error }),
    runAt: new Date(job.runAtMs).toISOString(),
    createdAt: new Date(job.createdAtMs).toISOString(),
    ...(job.finishedAtMs === undefined ? {} : { finishedAt: new Date(job.finishedAtMs).toISOString() }),
  }
}
