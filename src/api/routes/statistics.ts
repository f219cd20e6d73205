// Statistics: everything for those who may read, a host's own rows for its admin, what is public for anybody.

import type { Context } from 'hono'
import { decide } from '#access/decide.ts'
import { type ApiApp, type ApiEnv, type ApiStores, need, requirePublic } from '#api/api-context.ts'
import { keepFor } from '#api/public/keep-for.ts'
import { type Counted, foldHidden, publicRows } from '#api/public/public-statistics.ts'
import { listStatistics, listStatisticsBySteps, startOf } from '#catalogue/statistics.ts'
import { RegistryError } from '#oci/errors.ts'
import { type Measure, measures, type SubjectKind, subjectKinds } from '#snapshots/statistics.ts'
import { mostRows, periods, publicStatistics, statistics } from './statistics-schemas.ts'

const dayMs = 86_400_000
const stepMs = { hour: 3_600_000, day: dayMs, month: 31 * dayMs } as const
/** In one answer, by steps: it is made in memory. */
const mostStepRows = 200_000

const periodMs: Readonly<Record<(typeof periods)[number], number>> = {
  day: dayMs,
  month: 31 * dayMs,
  year: 366 * dayMs,
}
const publicSubjects = 100
/** Strangers may not make the catalogue add up at will. */
const publicCacheMs = 15_000

const iso = (ms: number) => new Date(ms).toISOString()

type Row = Counted & { readonly startMs?: number }

function toRow({ subject, values, startMs }: Row) {
  const numbers = Object.fromEntries(measures.map((name, i) => [name, values[i]!])) as Record<Measure, number>
  return { ...(startMs === undefined ? {} : { start: iso(startMs) }), subject, ...numbers }
}

/** No field needs quotes: names, times and numbers have neither commas nor quotes. */
function toCsv(rows: readonly ReturnType<typeof toRow>[], hasSteps: boolean): string {
  const names = [...(hasSteps ? ['start'] : []), 'subject', ...measures]
  const lines = rows.map((row) => names.map((name) => row[name as Measure]).join(','))
  return `${[names.join(','), ...lines].join('\r\n')}\r\n`
}

export function statisticsRoutes(app: ApiApp, stores: ApiStores): void {
  const { catalogue, now } = stores
  app.openapi(statistics, async (context) => {
    const { by, step, limit, format, ...query } = context.req.valid('query')
    const channel = requirePublic(query.channel, stores)
    const isMine = filterFor(context, by)
    const toMs = query.to === undefined ? now() + 1 : Date.parse(query.to)
    const fromMs = startOf('hour', query.from === undefined ? toMs - dayMs : Date.parse(query.from))
    if (fromMs >= toMs) throw new RegistryError('REQUEST_INVALID', 'from: must be before to')
    if (step !== undefined && ((toMs - fromMs) / stepMs[step]) * limit > mostStepRows) {
      const detail = `more than ${mostStepRows} rows: ask for a shorter time, a larger step or a lower limit`
      throw new RegistryError('REQUEST_INVALID', detail)
    }
    // Those that are left out must not use up the limit.
    const asked = { channel, kind: by, fromMs, toMs, limit: isMine ? mostRows : limit }
    const counted: Row[] =
      step === undefined ? await listStatistics(catalogue, asked) : await listStatisticsBySteps(catalogue, asked, step)
    const rows = (isMine ? counted.filter(({ subject }) => isMine(subject)) : counted).map(toRow)
    const isCsv = format === undefined ? context.req.header('accept')?.startsWith('text/csv') : format === 'csv'
    if (isCsv) {
      return context.body(toCsv(rows, step !== undefined), 200, { 'content-type': 'text/csv; charset=utf-8' }) as never
    }
    return context.json({ channel, by, from: iso(fromMs), to: iso(toMs), rows }, 200)
  })
}

/** Undefined: all rows. Throws for who may see none. */
function filterFor(context: Context<ApiEnv>, by: SubjectKind): ((subject: string) => boolean) | undefined {
  const identity = context.get('identity')
  const isForHosts = identity.grants.some(
    ({ kind, actions }) => kind === 'api' && actions.includes('check-in' as never),
  )
  if (by !== 'host' || !isForHosts || decide(identity, { kind: 'api', action: 'read' })) {
    need(context, 'read')
    return undefined
  }
  return (host) => decide(identity, { kind: 'api', action: 'check-in', host })
}

/** Before the door. */
export function publicStatisticsRoutes(app: ApiApp, { catalogue, publicChannel, publicSide, now }: ApiStores): void {
  const read = async (by: SubjectKind, period: (typeof periods)[number]) => {
    const toMs = now() + 1
    const fromMs = startOf(period === 'day' ? 'hour' : 'day', toMs - periodMs[period])
    const all = await listStatistics(catalogue, { channel: publicChannel, kind: by, fromMs, toMs, limit: mostRows })
    const isPublic = publicRows(by, publicSide.view())
    const shown = new Set(all.filter(isPublic).slice(0, publicSubjects))
    const rows = foldHidden(all, (row) => shown.has(row)).map(toRow)
    return { channel: publicChannel, by, from: iso(fromMs), to: iso(toMs), rows }
  }
  const kept = new Map(
    subjectKinds.flatMap((by) =>
      periods.map((period) => [`${by} ${period}`, keepFor(publicCacheMs, now, () => read(by, period))] as const),
    ),
  )
  app.openapi(publicStatistics, async (context) => {
    const { by, period } = context.req.valid('query')
    return context.json(await kept.get(`${by} ${period}`)!(), 200)
  })
}
