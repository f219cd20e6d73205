import { expect, test } from 'bun:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { StoredBody } from '#http/answer.ts'
import { dispose } from './send-body.ts'

test('a body that cannot be closed does not end the process', async () => {
  let closes = 0
  const unhandled: unknown[] = []
  const onUnhandled = (error: unknown) => void unhandled.push(error)
  process.on('unhandledRejection', onUnhandled)
  const body: StoredBody = {
    sizeBytes: 1,
    file: undefined,
    stream: () => new ReadableStream(),
    async [Symbol.asyncDispose]() {
      closes++
      throw new Error('the disk is gone')
    },
  }
  dispose(body)
  const broken = new ReadableStream<Uint8Array>({ cancel: () => Promise.reject(new Error('so is the network')) })
  dispose(broken)
  for (let i = 0; i < 10; i++) await turn()
  process.off('unhandledRejection', onUnhandled)
  expect([closes, unhandled]).toEqual([1, []])
})
