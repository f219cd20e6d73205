// Check-ins: a host says that its copy is complete, a crawl decides whether that is so.

import { createRoute, z } from '@hono/zod-openapi'
import { type ApiApp, type ApiStores, json, needForHost, refusal, refusals, requirePublic } from '#api/api-context.ts'
import { type CheckInRow, listCheckIns } from '#catalogue/check-ins.ts'
import { requestCrawl } from '#stages/mirror/request-crawl.ts'
import { takeClaim } from '#stages/mirror/take-claim.ts'
import { body, byName, line } from './host-schemas.ts'
import { requireHost } from './host-views.ts'
import { Job, requireJob } from './jobs.ts'

const states = ['claimed', 'accepted', 'refused'] as const

export const CheckIn = z
  .object({
    host: z.string(),
    channel: z.string(),
    generation: z.int(),
    isPartial: z.boolean(),
    source: z.enum(['api', 'trace']),
    at: z.iso.datetime().openapi({ description: 'Names it: no two of a host and channel share it.' }),
    finishedAt: z.iso.datetime().optional(),
    software: z.string().optional(),
    state: z.enum(states),
    provenGeneration: z.int().optional().openapi({ description: 'Up to where the copy was whole.' }),
    reason: z.string().optional(),
    faults: z.array(z.object({ url: z.string(), expected: z.string(), came: z.string() })).optional(),
    decidedAt: z.iso.datetime().optional(),
  })
  .openapi('CheckIn')

const path = '/api/v1/hosts/{id}/check-ins'
const channel = z.string().optional().openapi({ description: 'Default: the one that the front door serves.' })

const add = createRoute({
  method: 'post',
  path,
  summary: 'Say that a copy is complete; it is claimed until a crawl accepts or refuses it',
  request: {
    ...byName,
    body: body(
      z.strictObject({
        generation: z.int().min(1),
        channel,
        isPartial: z.boolean().default(false).openapi({ description: 'The host carries a part of the tree only.' }),
        software: line(200).optional(),
      }),
    ),
  },
  responses: {
    200: json(z.object({ checkIn: CheckIn }), 'The last check-in said the same; nothing new is kept.'),
    202: json(Job.extend({ checkIn: CheckIn }), 'The check-in, and the job that decides it.'),
    ...refusals,
    429: refusal('This host has made too many check-ins; Retry-After says when to come again.'),
  },
})

const list = createRoute({
  method: 'get',
  path,
  summary: 'The check-ins of a host, newest first, and what crawls found of them',
  request: {
    ...byName,
    query: z.object({
      channel,
      state: z.enum(states).optional(),
      limit: z.coerce.number().int().min(1).max(200).default(20),
    }),
  },
  responses: { 200: json(z.object({ checkIns: z.array(CheckIn) }), 'The check-ins.'), ...refusals },
})

export function checkInRoutes(app: ApiApp, stores: ApiStores): void {
  const { catalogue, now } = stores

  app.openapi(add, async (context) => {
    const host = await requireHost(context.req.valid('param').id, catalogue)
    needForHost(context, host.name, 'check-in', 'hosts')
    const { channel: named, ...said } = context.req.valid('json')
    const claim = {
      hostId: host.id,
      channel: requirePublic(named, stores),
      generation: said.generation,
      isPartial: said.isPartial,
      software: said.software,
      source: 'api',
      finishedAtMs: undefined,
    } as const
    const nowMs = now()
    const taken = await catalogue.transaction().execute(async (tx) => {
      const { checkIn, isNew } = await takeClaim(tx, claim, stores.checkInLimits, nowMs)
      return { checkIn, job: isNew ? await requestCrawl(tx, claim, nowMs) : undefined }
    })
    const checkIn = toCheckIn(host.name, taken.checkIn)
    if (taken.job === undefined) return context.json({ checkIn }, 200)
    stores.nudge()
    return context.json({ ...(await requireJob(catalogue, taken.job)), checkIn }, 202)
  })

  app.openapi(list, async (context) => {
    const host = await requireHost(context.req.valid('param').id, catalogue)
    needForHost(context, host.name, 'check-in', 'read')
    const { channel: named, state, limit } = context.req.valid('query')
    const filter = { limit, ...(state ? { state } : {}) }
    const rows = await listCheckIns(catalogue, host.id, requirePublic(named, stores), filter)
    return context.json({ checkIns: rows.map((row) => toCheckIn(host.name, row)) }, 200)
  })
}

/** Without what is not known yet. */
export function toCheckIn(host: string, row: CheckInRow): z.infer<typeof CheckIn> {
  const { software } = JSON.parse(row.detail) as { software?: string }
  const { finishedAtMs, provenGeneration, reason, evidence, decidedAtMs } = row
  return {
    host,
    channel: row.channel,
    generation: row.generation,
    isPartial: row.isPartial,
    source: row.source,
    at: new Date(row.atMs).toISOString(),
    state: row.state,
    ...(finishedAtMs === undefined ? {} : { finishedAt: new Date(finishedAtMs).toISOString() }),
    ...(software === undefined ? {} : { software }),
    ...(provenGeneration === undefined ? {} : { provenGeneration }),
    ...(reason === undefined ? {} : { reason }),
    ...(evidence === undefined ? {} : { faults: JSON.parse(evidence) }),
    ...(decidedAtMs === undefined ? {} : { decidedAt: new Date(decidedAtMs).toISOString() }),
  }
}
