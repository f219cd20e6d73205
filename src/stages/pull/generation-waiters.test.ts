import { describe, expect, test } from 'bun:test'
import type { Replica } from './asker.ts'
import { GenerationWaiters, type News, type WaiterOptions } from './generation-waiters.ts'
import type { TreeGeneration } from './replica-gate.ts'

const defaults: WaiterOptions = {
  seeds: 2,
  waveMs: 10_000,
  holdMs: 60_000,
  headStartMs: 5_000,
  waiters: 100,
  waitersPerNetwork: 50,
  maxRemembered: 200,
}

const replica = (key: string, network = 1): Replica => ({
  key,
  client: { prefixKey: network } as Replica['client'],
  address: '192.0.2.1',
  hostName: undefined,
  avoid: [],
})

function open(options: Partial<WaiterOptions> = {}, rankOf: (replica: Replica) => number = () => 0) {
  const state: { nowMs: number; current: TreeGeneration | undefined } = { nowMs: 0, current: undefined }
  const waiters = new GenerationWaiters(
    { rankOf, currentGeneration: () => state.current, random: () => 0, now: () => state.nowMs },
    { ...defaults, ...options },
  )
  const answers = new Map<string, News>()
  return {
    waiters,
    answers,
    wait(key: string, after = 0, { network = 1, gone }: { network?: number; gone?: AbortSignal } = {}) {
      return waiters.wait(replica(key, network), after, gone).then((news) => void answers.set(key, news))
    },
    publish(generation: number) {
      state.current = { generation, sinceMs: state.nowMs }
    },
    /** What was answered up to this time. */
    async at(nowMs: number): Promise<string> {
      state.nowMs = nowMs
      waiters.tick()
      await Promise.resolve()
      await Promise.resolve()
      return [...answers.keys()].join('')
    },
  }
}

describe('waiting for a generation', () => {
  test('ends at once when there is a newer one', async () => {
    const { wait, publish, answers, at } = open()
    publish(7)
    await at(100_000)
    await wait('a', 6)
    expect(answers.get('a')).toEqual({ generation: 7, afterSeconds: 0 })
  })

  test('is released in waves, front doors first; those who come later join the last wave', async () => {
    const { wait, publish, answers, at } = open()
    for (const key of 'abcdefg') void wait(key, 0)
    expect(await at(1000)).toBe('')
    publish(1)
    expect(await at(5999)).toBe('')
    expect(await at(6000)).toBe('ab')
    void wait('z', 0)
    expect(await at(15_999)).toBe('abz')
    // It did not wait: it is told when to begin.
    expect(answers.get('z')).toEqual({ generation: 1, afterSeconds: 20 })
    expect(await at(16_000)).toBe('abzcdef')
    expect(await at(26_000)).toBe('abzcdefg')
    expect(answers.get('g')).toEqual({ generation: 1, afterSeconds: 0 })
  })

  test('the hosts of most bandwidth are in the first wave', async () => {
    const { wait, publish, at } = open({}, ({ key }) => ({ c: 100, e: 1000 })[key] ?? 0)
    for (const key of 'abcde') void wait(key, 0)
    publish(1)
    expect([...(await at(5000))].sort().join('')).toBe('ce')
  })

  test('whoever was told and asks again is told the same', async () => {
    const { wait, publish, answers, at } = open()
    publish(1)
    await at(0)
    for (const key of 'abc') await wait(key, 0)
    expect(answers.get('c')).toEqual({ generation: 1, afterSeconds: 15 })
    await at(3000)
    await wait('c', 0)
    expect(answers.get('c')).toEqual({ generation: 1, afterSeconds: 12 })
    await at(20_000)
    await wait('c', 0)
    expect(answers.get('c')).toEqual({ generation: 1, afterSeconds: 0 })
  })

  test('ends with nothing new when the hold is over, or with the time that is left until its wave', async () => {
    const { wait, publish, answers, at } = open({ holdMs: 8000 })
    for (const key of 'abc') void wait(key, 0)
    void wait('d', 1)
    await at(4000)
    publish(1)
    expect(await at(8000)).toBe('abcd')
    expect(answers.get('c')).toEqual({ generation: 1, afterSeconds: 11 })
    expect(answers.get('d')).toBe('nothing-new')
  })

  test('many publications one after the other keep nobody waiting for ever', async () => {
    const { wait, publish, at } = open()
    for (const key of 'abcdef') void wait(key, 0)
    let released = ''
    for (let nowMs = 0; nowMs <= 16_000; nowMs += 2000) {
      publish(nowMs / 2000 + 1)
      released = await at(nowMs)
    }
    expect([...released].sort().join('')).toBe('abcdef')
  })

  test('is bounded in all and for each network, and a place is free again when its holder has gone', async () => {
    const { waiters, wait, answers } = open({ waiters: 3, waitersPerNetwork: 2 })
    const leaving = new AbortController()
    void wait('a', 0, { gone: leaving.signal })
    void wait('b', 0)
    await wait('c', 0)
    expect(answers.get('c')).toBe('too-many')
    void wait('d', 0, { network: 2 })
    await wait('e', 0, { network: 3 })
    expect(answers.get('e')).toBe('too-many')
    leaving.abort()
    expect(waiters.count).toBe(2)
    void wait('h', 0, { gone: leaving.signal })
    expect(waiters.count).toBe(2)
    void wait('f', 0)
    expect(waiters.count).toBe(3)
  })

  test('stops for all', async () => {
    const { waiters, wait, answers, at } = open()
    void wait('a', 0)
    void wait('b', 5)
    waiters.stop()
    expect(await at(0)).toBe('ab')
    await wait('c', 0)
    expect([...answers.values()]).toEqual(['nothing-new', 'nothing-new', 'nothing-new'])
  })
})
