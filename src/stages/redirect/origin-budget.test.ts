// By a clock of our own: what may leave, in which turn, and what becomes of those who wait.
import { describe, expect, test } from 'bun:test'
import { OriginBudget, type OriginLimits, type Outcome, originLimitDefaults } from './origin-budget.ts'

function open(limits: Partial<OriginLimits> = {}) {
  const clock = { nowMs: 0 }
  const budget = new OriginBudget({ ...originLimitDefaults, ...limits }, () => clock.nowMs)
  const outcomes: string[] = []
  const wait = (
    prefixKey: number,
    name: string,
    more: { bytes?: number; gone?: AbortSignal; instead?: () => string | undefined } = {},
  ) => {
    const { bytes = 1, gone, instead = () => undefined } = more
    const waiting = budget.wait({ prefixKey, bytes, gone, instead })
    void waiting.then((outcome) => outcomes.push(`${name} ${tell(outcome)}`))
    return waiting
  }
  /** Time passes, and whoever was let in is told. */
  const pass = async (ms: number) => {
    clock.nowMs += ms
    budget.review()
    await Promise.resolve()
    await Promise.resolve()
  }
  return { budget, wait, pass, outcomes, clock }
}

function tell(outcome: Outcome<string>): string {
  if (typeof outcome === 'string') return outcome
  return 'transfer' in outcome ? 'in' : `instead ${outcome.instead}`
}

describe('room', () => {
  test('for so many at once: the next when one has ended, and ending twice makes no more', async () => {
    const { budget, wait, pass, outcomes } = open({ transfers: 2 })
    const [a, b] = [budget.start(1, 1), budget.start(1, 1)]
    expect([budget.start(1, 1), budget.running]).toEqual([undefined, 2])
    const c = wait(1, 'c')
    const d = wait(1, 'd')
    a!.end()
    a!.end()
    expect(tell(await c)).toBe('in')
    await pass(1_000)
    expect([outcomes, budget.waiting, budget.running]).toEqual([['c in'], 1, 2])
    b!.end()
    expect(tell(await d)).toBe('in')
  })

  test('for so many bytes a second, on average; a large blob may begin and is paid for afterwards', async () => {
    const { budget, wait, pass, outcomes } = open({ bytesPerSecond: 1000 })
    expect(budget.start(5_000, 1)).toBeDefined()
    expect(budget.start(1, 1)).toBeUndefined()
    wait(1, 'a', { bytes: 400 })
    wait(1, 'b', { bytes: 400 })
    await pass(4_000)
    expect(outcomes).toEqual([])
    await pass(1)
    expect(outcomes).toEqual(['a in'])
    await pass(398)
    expect(outcomes).toEqual(['a in'])
    await pass(2)
    expect(outcomes).toEqual(['a in', 'b in'])
  })

  test('what was not sent comes back', async () => {
    const { budget, wait } = open({ bytesPerSecond: 1000 })
    const first = budget.start(100_000, 1)!
    const second = wait(1, 'a')
    first.sent(300)
    first.end()
    expect(tell(await second)).toBe('in')
  })

  test('what has to leave is owed', () => {
    const { budget, clock } = open({ bytesPerSecond: 1000 })
    budget.charge(3_000)
    clock.nowMs = 2_000
    expect(budget.start(1, 1)).toBeUndefined()
    clock.nowMs = 2_001
    expect(budget.start(1, 1)).toBeDefined()
  })

  test('without a limit of bytes there is none', () => {
    const { budget } = open({ bytesPerSecond: 0 })
    for (let i = 0; i < 512; i++) expect(budget.start(1e12, i)).toBeDefined()
    expect(budget.start(1, 1)).toBeUndefined()
  })
})

describe('those who wait', () => {
  test('are let in in turn by network: one with many keeps nobody else waiting', async () => {
    const { budget, wait, pass, outcomes } = open({ bytesPerSecond: 1 })
    budget.start(1, 1)
    for (const name of ['a1', 'a2', 'a3', 'a4']) wait(1, name)
    wait(2, 'b1')
    wait(3, 'c1')
    for (let i = 0; i < 6; i++) await pass(1_000)
    expect(outcomes).toEqual(['a1 in', 'b1 in', 'c1 in', 'a2 in', 'a3 in', 'a4 in'])
  })

  test('are not overtaken by who comes later', async () => {
    const { budget, wait, clock } = open({ bytesPerSecond: 1 })
    budget.start(1, 1)
    wait(1, 'a')
    clock.nowMs = 10_000
    expect(budget.start(1, 1)).toBeUndefined()
  })

  test('wait so long and no longer', async () => {
    const { budget, wait, pass, outcomes } = open({ transfers: 1, waitMs: 20_000 })
    budget.start(1, 1)
    wait(1, 'a')
    await pass(10_000)
    wait(1, 'b')
    await pass(9_999)
    expect(outcomes).toEqual([])
    await pass(1)
    expect([outcomes, budget.waiting]).toEqual([['a late'], 1])
  })

  test('are so many and no more, in all and of each network', async () => {
    const { budget, wait } = open({ transfers: 1, maxWaiting: 3, maxWaitingPerPrefix: 2 })
    budget.start(1, 1)
    for (const name of ['a1', 'a2']) wait(1, name)
    expect(await wait(1, 'a3')).toBe('full')
    wait(2, 'b1')
    expect([await wait(3, 'c1'), budget.waiting]).toEqual(['full', 3])
  })

  test('leave when they hang up, and their room is for others', async () => {
    const { budget, wait, outcomes } = open({ transfers: 1, maxWaiting: 2 })
    const running = budget.start(1, 1)!
    const client = new AbortController()
    const a = wait(1, 'a', { gone: client.signal })
    const b = wait(2, 'b')
    client.abort()
    expect([await a, budget.waiting]).toEqual(['gone', 1])
    expect(await wait(1, 'c', { gone: client.signal })).toBe('gone')
    running.end()
    await b
    expect(outcomes).toEqual(['a gone', 'c gone', 'b in'])
  })

  test('take something better, at once or when it comes', async () => {
    const { budget, wait, pass, outcomes } = open({ transfers: 1, lookMs: 2_000 })
    budget.start(1, 1)
    expect(tell(await wait(1, 'a', { instead: () => 'a host' }))).toBe('instead a host')
    let looks = 0
    wait(1, 'b', { instead: () => (++looks === 3 ? 'a farther host' : undefined) })
    for (let i = 0; i < 39; i++) await pass(100)
    expect([looks, outcomes.length]).toEqual([2, 1])
    await pass(100)
    expect([looks, outcomes[1], budget.waiting]).toEqual([3, 'b instead a farther host', 0])
  })
})

describe('one network', () => {
  test('keeps its share of what may leave at once, and no more; those behind it pass', async () => {
    const { budget, wait, pass, outcomes } = open({ transfers: 4, transfersPerPrefix: 2 })
    const [first] = [budget.start(1, 7), budget.start(1, 7)]
    expect(budget.start(1, 7)).toBeUndefined()
    wait(7, 'slow reader')
    await pass(1)
    expect([outcomes, budget.running]).toEqual([[], 2])
    // Nobody waits who may have the room.
    expect(budget.start(1, 8)).toBeDefined()
    wait(9, 'other')
    await pass(1)
    expect(outcomes).toEqual(['other in'])
    first!.end()
    await pass(1)
    expect(outcomes).toEqual(['other in', 'slow reader in'])
  })
})
