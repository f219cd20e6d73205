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

test('no chunk is held after it was passed on', async () => {
  const seen: WeakRef<Uint8Array>[] = []
  const body = (async function* () {
    for (let at = 0; at < 200; at++) {
      const chunk = new Uint8Array(1000)
      seen.push(new WeakRef(chunk))
      yield chunk
      await Bun.sleep(0) // a WeakRef keeps its target until the turn ends
    }
    Bun.gc(true)
    yield new Uint8Array(1)
  })()
  for await (const chunk of withStallTimer(body, 60_000)) {
    if (chunk.length === 1) expect(seen.filter((one) => one.deref() !== undefined).length).toBeLessThan(100)
  }
})
