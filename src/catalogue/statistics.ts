// What front doors answered, by hour, later by day and by month: a bounded table, however long the service runs and whatever is asked.

import { type RawBuilder, sql } from 'kysely'
import { batchesOf } from './batches.ts'
import type { Catalogue, Reader, Schema, Tx } from './schema.ts'

type Row = Schema['statistics']
export type Span = Row['span']

export const numberColumns = [
  'redirects',
  'redirected_bytes',
  'manifests',
  'manifest_bytes',
  'packed',
  'packed_bytes',
  'origin',
  'origin_bytes',
  'streams',
  'streamed_bytes',
  'told',
  'refused',
  'held',
] as const
export type NumberColumn = (typeof numberColumns)[number]

/** Answers, by which subjects are ordered; what was held is counted by what it came to. */
const answers = ['redirects', 'manifests', 'packed', 'origin', 'streams', 'told', 'refused'] as const

const other = '(other)'
const hourMs = 3_600_000
const dayMs = 86_400_000

export function startOf(span: Span, atMs: number): number {
  if (span === 'hour') return atMs - (atMs % hourMs)
  if (span === 'day') return atMs - (atMs % dayMs)
  const date = new Date(atMs)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1)
}

export type Period = { readonly channel: string; readonly kind: string; readonly span: Span; readonly startMs: number }
export type Counted = { readonly subject: string; readonly values: readonly number[] }

/**
 * Adds to what the period has. It keeps `maxSubjects` names at most, those that came first; all others are counted in one row.
 * `values` in the order of `numberColumns`.
 */
export async function addStatistics(
  tx: Tx,
  period: Period,
  counted: readonly Counted[],
  maxSubjects: number,
): Promise<void> {
  const known = await subjectsWithin(tx, period, counted, maxSubjects)
  const sums = new Map<string, number[]>()
  for (const { subject, values } of counted) addTo(sums, known.has(subject) ? subject : other, values)
  const { channel, kind, span, startMs } = period
  const rows = [...sums].map(([subject, values]) => ({
    channel,
    kind,
    start_ms: startMs,
    span,
    subject,
    ...(Object.fromEntries(numberColumns.map((name, i) => [name, values[i]!])) as Record<NumberColumn, number>),
  }))
  // In one order everywhere: two that add at once wait for each other instead of for ever.
  rows.sort((a, b) => (a.subject < b.subject ? -1 : 1))
  for (const part of batchesOf(rows, 500)) {
    await tx
      .insertInto('statistics')
      .values([...part])
      .onConflict((conflict) =>
        conflict
          .columns(['channel', 'kind', 'start_ms', 'span', 'subject'])
          .doUpdateSet((set) =>
            Object.fromEntries(
              numberColumns.map((name) => [name, set(`statistics.${name}`, '+', set.ref(`excluded.${name}`))]),
            ),
          ),
      )
      .execute()
  }
}

function addTo(sums: Map<string, number[]>, subject: string, values: readonly number[]): void {
  const sum = sums.get(subject)
  if (sum) addValues(sum, values)
  else sums.set(subject, [...values])
}

function addValues(sum: number[], values: readonly number[]): void {
  for (let i = 0; i < values.length; i++) sum[i]! += values[i]!
}

function rowsOf(db: Reader, { channel, kind, span, startMs }: Period) {
  return db
    .selectFrom('statistics')
    .where('channel', '=', channel)
    .where('kind', '=', kind)
    .where('start_ms', '=', startMs)
    .where('span', '=', span)
}

/** Those that have a row, and as many others, in their order, as there is room for. Names in brackets need none. */
async function subjectsWithin(
  tx: Tx,
  period: Period,
  counted: readonly Counted[],
  maxSubjects: number,
): Promise<Set<string>> {
  const there = await rowsOf(tx, period)
    .where('subject', 'not like', '(%')
    .select((select) => select.fn.countAll().as('count'))
    .executeTakeFirstOrThrow()
  const names = counted.map(({ subject }) => subject)
  const room = maxSubjects - Number(there.count)
  if (names.length <= room) return new Set(names)
  const known = new Set(names.filter((name) => name.startsWith('(')))
  for (const part of batchesOf(names, 1000)) {
    const rows = await rowsOf(tx, period).where('subject', 'in', part).select('subject').execute()
    for (const { subject } of rows) known.add(subject)
  }
  for (const name of names.filter((name) => !known.has(name)).slice(0, Math.max(0, room))) known.add(name)
  return known
}

const sums = () =>
  numberColumns.map((name) => sql<number>`sum(${sql.ref(name)})`.as(name)) as ReturnType<RawBuilder<number>['as']>[]
const answersOf = () =>
  sql.join(
    answers.map((name) => sql.ref(name)),
    sql` + `,
  )

export type StatisticsQuery = {
  readonly channel: string
  readonly kind: string
  readonly fromMs: number
  /** Exclusive. */
  readonly toMs: number
  readonly limit: number
}

/** The subjects with the most answers first. A span belongs to the time at which it starts. */
export async function listStatistics(db: Reader, query: StatisticsQuery): Promise<Counted[]> {
  const rows = await within(db, query)
    .select(['subject', ...sums()] as never)
    .groupBy('subject')
    .orderBy(sql`sum(${answersOf()})`, 'desc')
    .orderBy('subject')
    .limit(query.limit)
    .execute()
  return (rows as Record<string, unknown>[]).map(toCounted)
}

/** The same subjects by hour or day, oldest first; coarser where only days or months are kept. */
export async function listStatisticsBySteps(
  db: Reader,
  query: StatisticsQuery,
  step: Span,
): Promise<(Counted & { readonly startMs: number })[]> {
  const subjects = (await listStatistics(db, query)).map(({ subject }) => subject)
  const unit = step === 'hour' ? hourMs : dayMs
  const sumOf = new Map<string, Counted & { startMs: number; values: number[] }>()
  for (const part of batchesOf(subjects, 1000)) {
    const rows = await within(db, query)
      .where('subject', 'in', part)
      .select(['subject', sql<number>`start_ms / ${sql.lit(unit)}`.as('step'), ...sums()] as never)
      .groupBy(['subject', sql`start_ms / ${sql.lit(unit)}`])
      .execute()
    for (const row of rows as Record<string, unknown>[]) {
      const counted = toCounted(row)
      const startMs = startOf(step, Number(row.step) * unit)
      const key = `${startMs} ${counted.subject}`
      const sum = sumOf.get(key)
      if (sum) addValues(sum.values, counted.values)
      else sumOf.set(key, { ...counted, values: [...counted.values], startMs })
    }
  }
  const rank = new Map(subjects.map((subject, i) => [subject, i]))
  return [...sumOf.values()].sort((a, b) => a.startMs - b.startMs || rank.get(a.subject)! - rank.get(b.subject)!)
}

function within(db: Reader, { channel, kind, fromMs, toMs }: StatisticsQuery) {
  return db
    .selectFrom('statistics')
    .where('channel', '=', channel)
    .where('kind', '=', kind)
    .where('start_ms', '>=', fromMs)
    .where('start_ms', '<', toMs)
}

function toCounted(row: Record<string, unknown>): Counted {
  return { subject: row.subject as string, values: numberColumns.map((name) => Number(row[name])) }
}

export type StatisticsAges = {
  readonly hoursKeptMs: number
  readonly daysKeptMs: number
  readonly monthsKeptMs: number
  /** Names of one kind in one span. */
  readonly maxSubjects: number
}

/** Hours that are old become days, days become months, and old months go. Each step is a transaction: no answer counts twice. */
export async function rollUpStatistics(db: Catalogue, nowMs: number, ages: StatisticsAges): Promise<void> {
  await rollUp(db, 'hour', 'day', { beforeMs: nowMs - ages.hoursKeptMs, maxSubjects: ages.maxSubjects })
  await rollUp(db, 'day', 'month', { beforeMs: nowMs - ages.daysKeptMs, maxSubjects: ages.maxSubjects })
  const oldest = startOf('month', Math.max(0, nowMs - ages.monthsKeptMs))
  await db.deleteFrom('statistics').where('span', '=', 'month').where('start_ms', '<', oldest).execute()
}

async function rollUp(
  db: Catalogue,
  from: Span,
  to: Span,
  { beforeMs, maxSubjects }: { readonly beforeMs: number; readonly maxSubjects: number },
): Promise<void> {
  // Whole ones only: a day that is not over for good stays in hours.
  const boundMs = startOf(to, beforeMs)
  const old = await db
    .selectFrom('statistics')
    .select(['channel', 'kind', 'start_ms'])
    .distinct()
    .where('span', '=', from)
    .where('start_ms', '<', boundMs)
    .execute()
  const periods = new Map(
    old.map(({ channel, kind, start_ms }) => {
      const startMs = startOf(to, start_ms)
      return [`${channel} ${kind} ${startMs}`, { channel, kind, span: to, startMs } satisfies Period]
    }),
  )
  for (const period of periods.values()) {
    const toMs = to === 'day' ? period.startMs + dayMs : startOf('month', period.startMs + 32 * dayMs)
    await db.transaction().execute(async (tx) => {
      const ofPeriod = { ...period, fromMs: period.startMs, toMs }
      const rows = await within(tx, { ...ofPeriod, limit: 0 })
        .where('span', '=', from)
        .select(['subject', ...sums()] as never)
        .groupBy('subject')
        .orderBy(sql`sum(${answersOf()})`, 'desc')
        .execute()
      await addStatistics(tx, period, (rows as Record<string, unknown>[]).map(toCounted), maxSubjects)
      await tx
        .deleteFrom('statistics')
        .where('channel', '=', period.channel)
        .where('kind', '=', period.kind)
        .where('span', '=', from)
        .where('start_ms', '>=', period.startMs)
        .where('start_ms', '<', toMs)
        .execute()
    })
  }
}
