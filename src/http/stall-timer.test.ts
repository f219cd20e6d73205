import { expect, test } from 'bun:test'
import { withStallTimer } from './stall-timer.ts'

async function* chunksThen(count: number, end: Promise<void>): AsyncIterable<Uint8Array> {
  for (let at = 0; at < count; at++) yield new Uint8Array([at])
  await end
}

test('chunks pass in order', async () => {
  const passed: number[] = []
  for await (const chunk of withStallTimer(chunksThen(3, Promise.resolve()), 60_000)) passed.push(chunk[0]!)
  expect(passed).toEqual([0, 1, 2])
})

test('a body that stops is an error that says so; what came before was passed on', async () => {
  const passed: number[] = []
  const read = async () => {
    for await (const chunk of withStallTimer(chunksThen(2, new Promise(() => {})), 20)) passed.push(chunk[0]!)
  }
  await expect(read()).rejects.toThrow('no byte of the body came for 20 ms')
  expect(passed).toEqual([0, 1])
})

test('a body that breaks off is an error that says so, with its cause', async () => {
  const broken = Promise.reject(new Error('reset'))
  const read = async () => {
    for await (const chunk of withStallTimer(chunksThen(1, broken), 60_000)) void chunk
  }
  await expect(read()).rejects.toMatchObject({ code: 'SIZE_INVALID', cause: new Error('reset') })
})

test('a chunk is held until the next one is asked for, and no longer', async () => {
  const seen: Uint8Array[] = []
  for await (const chunk of withStallTimer(chunksThen(3, Promise.resolve()), 60_000)) {
    expect(seen.map((one) => one.length)).toEqual(seen.map(() => 0))
    expect(chunk).toHaveLength(1)
    seen.push(chunk)
  }
  expect(seen.map((one) => one.length)).toEqual([0, 0, 0])
})

test('a reader that is slower than the limit loses nothing', async () => {
  async function* body() {
    yield Buffer.from('a')
    yield Buffer.from('b')
  }
  let text = ''
  for await (const chunk of withStallTimer(body(), 5)) {
    text += Buffer.from(chunk).toString()
    const started = performance.now()
    while (performance.now() - started < 10) await new Promise((resolve) => setImmediate(resolve))
  }
  expect(text).toBe('ab')
})

test('a reader that leaves early ends the source', async () => {
  let isOver = false
  async function* body() {
    try {
      yield Buffer.from('a')
      yield Buffer.from('b')
    } finally {
      isOver = true
    }
  }
  for await (const _ of withStallTimer(body(), 60_000)) break
  expect(isOver).toBe(true)
})
