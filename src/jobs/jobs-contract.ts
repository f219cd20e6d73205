// The one suite of durable jobs, on every engine of the catalogue.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import type { Catalogue } from '#catalogue/schema.ts'
import { claim, endAllLeases } from './claim.ts'
import {
  cancel,
  enqueue,
  findJob,
  heartbeat,
  listJobs,
  listRunningKeys,
  type NewJob,
  nextDueMs,
  settle,
} from './queue.ts'
import { type JobHandler, JobRunner, type RunnerOptions } from './runner.ts'

export type QueueUnderTest = AsyncDisposable & {
  /** Connections to one empty catalogue: as many processes would have them. */
  readonly connections: readonly Catalogue[]
}

const lease = (owner: string, leaseMs = 1000) => ({ owner, leaseMs })
const t0 = 1_764_000_000_000

export function jobsContract(engine: string, start: () => Promise<QueueUnderTest>): void {
  describe(`jobs on ${engine}`, () => {
    let subject: QueueUnderTest
    let db: Catalogue
    beforeAll(async () => {
      subject = await start()
      db = subject.connections[0]!
    }, 60_000)
    afterAll(async () => {
      await subject?.[Symbol.asyncDispose]()
    })
    beforeEach(async () => {
      await db.deleteFrom('jobs').execute()
    })
    const add = (job: Partial<NewJob> = {}, on = db) =>
      on.transaction().execute((tx) => enqueue(tx, { kind: 'k', runAtMs: t0, ...job }, t0))
    const take = (owner: string, nowMs = t0, leaseMs = 1000) => claim(db, ['k'], lease(owner, leaseMs), nowMs)
    const stateOf = async (id: string) => (await findJob(db, id))?.state

    describe('the queue', () => {
      test('gives what is due longest, of the kinds asked for, when it is due', async () => {
        const later = await add({ runAtMs: t0 + 10, payload: { a: 'é' } })
        const sooner = await add({ runAtMs: t0 + 5 })
        await add({ kind: 'other', runAtMs: t0 })
        expect(await nextDueMs(db, ['k'])).toBe(t0 + 5)
        expect(await take('w', t0 + 4)).toBeUndefined()
        expect(await take('w', t0 + 20)).toMatchObject({ id: sooner, attempts: 1, state: 'running', payload: null })
        expect(await take('w', t0 + 20)).toMatchObject({ id: later, payload: { a: 'é' } })
        expect(await take('w', t0 + 20)).toBeUndefined()
        expect(await nextDueMs(db, ['k'])).toBeUndefined()
      })

      test('is written with the transaction it belongs to, or not at all', async () => {
        const failing = db.transaction().execute(async (tx) => {
          await enqueue(tx, { kind: 'k', runAtMs: t0 }, t0)
          throw new Error('no')
        })
        await expect(failing).rejects.toThrow('no')
        expect(await take('w')).toBeUndefined()
      })

      test('never gives one job to two workers, and leaves none empty-handed while there is work', async () => {
        const ids = await Promise.all(Array.from({ length: 40 }, () => add()))
        const taken = await Promise.all(
          Array.from({ length: 50 }, (_, i) =>
            claim(subject.connections[i % subject.connections.length]!, ['k'], lease(`w${i}`), t0),
          ),
        )
        const got = taken.flatMap((job) => (job ? [job.id] : []))
        expect(new Set(got).size).toBe(got.length)
        // Racers may give up after some tries; what they left is taken by the next who asks.
        for (let job = await take('w'); job; job = await take('w')) got.push(job.id)
        expect(got.sort()).toEqual(ids.sort())
        const attempts = await db.selectFrom('jobs').select('attempts').execute()
        expect(attempts.every((row) => row.attempts === 1)).toBe(true)
      })

      test('gives a job to another when its lease ran out, and the first one can no longer write', async () => {
        const id = await add()
        await take('first')
        expect(await take('second', t0 + 1000)).toBeUndefined()
        expect(await take('second', t0 + 1001)).toMatchObject({ id, attempts: 2 })
        expect(await heartbeat(db, id, lease('first'), 1, t0 + 1002)).toBe('lost')
        expect(await settle(db, id, lease('first'), { state: 'done', result: 'wrong' }, t0 + 1002)).toBe(false)
        expect(await settle(db, id, lease('second'), { state: 'done', result: 'right' }, t0 + 1003)).toBe(true)
        expect(await findJob(db, id)).toMatchObject({ state: 'done', result: 'right', finishedAtMs: t0 + 1003 })
      })

      test('a heartbeat keeps the lease and the progress', async () => {
        const id = await add()
        await take('w')
        expect(await heartbeat(db, id, lease('w'), { done: 3 }, t0 + 900)).toBe('held')
        expect(await take('other', t0 + 1500)).toBeUndefined()
        expect(await heartbeat(db, id, lease('w'), undefined, t0 + 1600)).toBe('held')
        expect(await findJob(db, id)).toMatchObject({ progress: { done: 3 }, state: 'running' })
      })

      test('a job whose process died in its last attempt fails, and does not run for ever', async () => {
        const id = await add({ maxAttempts: 2 })
        await take('a')
        expect(await take('b', t0 + 2000)).toMatchObject({ id, attempts: 2 })
        expect(await take('c', t0 + 4000)).toBeUndefined()
        expect(await findJob(db, id)).toMatchObject({ state: 'failed', attempts: 2, finishedAtMs: t0 + 4000 })
        expect((await findJob(db, id))!.error).toContain('last attempt')
      })

      test('what a dead process held is free at once for the only process that can be', async () => {
        const id = await add()
        await take('dead', t0, 1e9)
        await endAllLeases(db)
        expect(await take('new', t0 + 1)).toMatchObject({ id, attempts: 2 })
      })

      test('what was canceled while its process died is not started again', async () => {
        const id = await add()
        await take('a')
        expect(await cancel(db, id, t0)).toBe(true)
        expect(await take('b', t0 + 2000)).toBeUndefined()
        expect(await stateOf(id)).toBe('canceled')
      })

      test('cancels what waits at once, what runs at its next sign of life, what is over not at all', async () => {
        const waiting = await add()
        expect(await cancel(db, waiting, t0)).toBe(true)
        expect(await findJob(db, waiting)).toMatchObject({ state: 'canceled', finishedAtMs: t0 })
        expect(await cancel(db, waiting, t0)).toBe(false)
        expect(await cancel(db, 'never', t0)).toBe(false)
        const running = await add()
        await take('w')
        expect(await cancel(db, running, t0)).toBe(true)
        expect(await heartbeat(db, running, lease('w'), undefined, t0)).toBe('cancel')
        expect(await stateOf(running)).toBe('running')
        // It failed before it heard of the cancel: it must not come back.
        await settle(db, running, lease('w'), { state: 'waiting', runAtMs: t0, error: 'x' }, t0 + 1)
        expect(await findJob(db, running)).toMatchObject({ state: 'canceled', finishedAtMs: t0 + 1 })
      })

      test('tells the keys of what runs, not of what waits or is over', async () => {
        const over = await add({ dedupeKey: 'over' })
        await take('a')
        await settle(db, over, lease('a'), { state: 'done', result: null }, t0)
        await add({ dedupeKey: 'runs' })
        await take('a')
        await add({ dedupeKey: 'waits' })
        await add({ kind: 'other', dedupeKey: 'of another kind' })
        expect(await listRunningKeys(db, 'k')).toEqual(new Set(['runs']))
      })

      test('a second request joins the one that waits, at the earlier of the two times', async () => {
        const first = await add({ dedupeKey: 'stable', runAtMs: t0 + 500 })
        expect(await add({ dedupeKey: 'stable', runAtMs: t0 + 900 })).toBe(first)
        expect((await findJob(db, first))!.runAtMs).toBe(t0 + 500)
        expect(await add({ dedupeKey: 'stable', runAtMs: t0 + 100 })).toBe(first)
        expect((await findJob(db, first))!.runAtMs).toBe(t0 + 100)
        expect(await add({ dedupeKey: 'testing' })).not.toBe(first)
        expect(await add({ dedupeKey: 'stable', kind: 'other' })).not.toBe(first)
        expect(await add()).not.toBe(await add())
      })

      test('requests at once join too', async () => {
        const ids = await Promise.all(
          Array.from({ length: 12 }, (_, i) =>
            add({ dedupeKey: 'one', runAtMs: t0 + i }, subject.connections[i % subject.connections.length]),
          ),
        )
        expect(new Set(ids).size).toBe(1)
        expect((await findJob(db, ids[0]!))!.runAtMs).toBe(t0)
      })

      test('a job of another dedupe key may share the key that only one runs of at a time', async () => {
        const publication = await add({ dedupeKey: 'stable', runAtMs: t0 + 500 })
        const upkeep = await add({ dedupeKey: 'upkeep', exclusiveKey: 'stable' })
        expect(upkeep).not.toBe(publication)
        expect(await take('a', t0, 5000)).toMatchObject({ id: upkeep })
        expect(await take('b', t0 + 600)).toBeUndefined()
        await settle(db, upkeep, lease('a'), { state: 'done', result: null }, t0 + 700)
        expect(await take('b', t0 + 700)).toMatchObject({ id: publication })
      })

      test('two jobs of one key never run side by side', async () => {
        const first = await add({ dedupeKey: 'stable' })
        await take('a', t0, 5000)
        const second = await add({ dedupeKey: 'stable', runAtMs: t0 - 5 })
        expect(second).not.toBe(first)
        expect(await take('b', t0 + 10)).toBeUndefined()
        // It failed and waits for its next attempt while the other waits for its first: still one at a time.
        await settle(db, first, lease('a'), { state: 'waiting', runAtMs: t0, error: 'x' }, t0 + 20)
        const taken = await Promise.all(
          [0, 1, 2, 3].map((i) =>
            claim(subject.connections[i % subject.connections.length]!, ['k'], lease(`${i}`), t0 + 30),
          ),
        )
        expect(taken.flatMap((job) => (job ? [job.id] : []))).toEqual([second])
        // Its worker died: the one that ran comes first again.
        expect(await take('b', t0 + 9000)).toMatchObject({ id: second, attempts: 2 })
        await settle(db, second, lease('b'), { state: 'done', result: 1 }, t0 + 9000)
        expect(await take('b', t0 + 9000)).toMatchObject({ id: first, attempts: 2 })
      })

      test('given back it has not used an attempt, failed it has', async () => {
        const id = await add()
        await take('w')
        await settle(db, id, lease('w'), { state: 'waiting', runAtMs: t0 }, t0)
        expect(await take('w')).toMatchObject({ id, attempts: 1, error: undefined })
        await settle(db, id, lease('w'), { state: 'waiting', runAtMs: t0 + 50, error: 'broken' }, t0)
        expect(await take('w', t0 + 49)).toBeUndefined()
        expect(await take('w', t0 + 50)).toMatchObject({ id, attempts: 2, error: 'broken' })
        await settle(db, id, lease('w'), { state: 'failed', error: 'for good' }, t0 + 60)
        expect(await findJob(db, id)).toMatchObject({ state: 'failed', error: 'for good', finishedAtMs: t0 + 60 })
      })

      test('is listed newest first, by state', async () => {
        for (let i = 0; i < 3; i++) {
          await db.transaction().execute((tx) => enqueue(tx, { kind: 'k', runAtMs: t0, payload: i }, t0 + i))
        }
        const [one] = [await take('w')]
        expect((await listJobs(db, { limit: 2 })).map((job) => job.payload)).toEqual([2, 1])
        expect((await listJobs(db, { state: 'running', limit: 9 })).map((job) => job.id)).toEqual([one!.id])
        expect(await listJobs(db, { state: 'waiting', limit: 9 })).toHaveLength(2)
      })
    })

    describe('the runner', () => {
      let nowMs = t0
      const logged: string[] = []
      const runners: JobRunner[] = []
      beforeEach(() => {
        nowMs = t0
        logged.length = 0
      })
      afterEach(async () => {
        for (const one of runners.splice(0)) await one.stop()
      })
      const run = (handler: JobHandler, more: Partial<RunnerOptions> = {}, on = db) => {
        const options = { lanes: 2, leaseMs: 60_000, pollMs: 60_000, now: () => nowMs, ...more }
        const runner = new JobRunner(on, { k: handler }, { log: (message) => void logged.push(message), ...options })
        runners.push(runner)
        runner.start()
        return runner
      }

      test('runs what is due, once each, by several runners, and drains', async () => {
        const ids = await Promise.all(Array.from({ length: 30 }, (_, i) => add({ payload: i })))
        const ran: unknown[] = []
        const all = subject.connections.map((on) => run(async (payload) => ran.push(payload), {}, on))
        for (const one of all) await one.drain()
        expect(ran.sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 30 }, (_, i) => i))
        for (const id of ids) expect(await stateOf(id)).toBe('done')
        expect(logged).toEqual([])
      })

      test('takes up what came after a nudge, long before its next poll', async () => {
        const runner = run(async () => 'hello')
        await runner.drain()
        const id = await add()
        runner.nudge()
        await runner.drain()
        expect(await findJob(db, id)).toMatchObject({ state: 'done', result: 'hello' })
      })

      test('tries again later and later, and fails for good with the last error', async () => {
        const id = await add({ maxAttempts: 3 })
        const waits: number[] = []
        let tries = 0
        const runner = run(async () => {
          throw new Error(`broken ${++tries}`)
        })
        await runner.drain()
        while ((await stateOf(id)) === 'waiting') {
          const { runAtMs, error } = (await findJob(db, id))!
          expect(error).toBe(`broken ${tries}`)
          waits.push(runAtMs - nowMs)
          nowMs = runAtMs
          await runner.drain()
        }
        expect(await findJob(db, id)).toMatchObject({ state: 'failed', attempts: 3, error: 'broken 3' })
        expect(waits).toHaveLength(2)
        expect(waits[0]).toBeGreaterThan(0)
        expect(waits[1]).toBeGreaterThan(waits[0]!)
        expect(logged).toHaveLength(3)
      })

      test('gives back what it holds when it is stopped', async () => {
        const id = await add()
        const begun = Promise.withResolvers<void>()
        const runner = run(async (_, { signal }) => {
          begun.resolve()
          await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        })
        await begun.promise
        await runner.stop()
        expect(await findJob(db, id)).toMatchObject({ state: 'waiting', attempts: 0, error: undefined })
        const next = run(async () => 'again')
        await next.drain()
        expect(await findJob(db, id)).toMatchObject({ state: 'done', result: 'again', attempts: 1 })
      })

      test('lets a job that ends well while it stops be done', async () => {
        const id = await add()
        const begun = Promise.withResolvers<void>()
        const runner = run(async (_, { signal }) => {
          begun.resolve()
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
          return 'finished all the same'
        })
        await begun.promise
        await runner.stop()
        expect(await findJob(db, id)).toMatchObject({ state: 'done', result: 'finished all the same' })
      })

      test('tells a running job of its cancel and keeps its progress', async () => {
        const id = await add()
        const begun = Promise.withResolvers<void>()
        const runner = run(
          async (_, { signal, progress }) => {
            progress({ done: 1 })
            begun.resolve()
            await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
          },
          { leaseMs: 30 },
        )
        await begun.promise
        expect(await cancel(db, id, nowMs)).toBe(true)
        await runner.drain()
        expect(await findJob(db, id)).toMatchObject({
          state: 'canceled',
          progress: { done: 1 },
          isCancelRequested: true,
        })
      })

      test('ends a job whose lease another took, and writes nothing over it', async () => {
        const id = await add()
        const begun = Promise.withResolvers<void>()
        const ended = Promise.withResolvers<unknown>()
        const runner = run(
          async (_, { signal }) => {
            begun.resolve()
            await new Promise((resolve) => signal.addEventListener('abort', resolve))
            ended.resolve(signal.reason)
            return 'late'
          },
          { leaseMs: 30, lanes: 1 },
        )
        await begun.promise
        nowMs += 1000
        // Its clock jumped (the machine slept): whoever looks now sees an expired lease.
        const other = await claim(db, ['k'], lease('other', 600_000), nowMs + 600_000)
        expect(other).toMatchObject({ id, attempts: 2 })
        expect(String(await ended.promise)).toContain('lease was lost')
        await runner.stop()
        expect(await findJob(db, id)).toMatchObject({ state: 'running', result: undefined })
      })
    })
  })
}
