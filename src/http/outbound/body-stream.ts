// The body of an answer as a stream that ends in time: it breaks when no byte comes for `idleMs` while somebody waits for one,
// and when more than `maxBytes` come. A reader that takes its time is not a stall.

import type { IncomingMessage } from 'node:http'
import { OutboundError, outboundErrorOf } from './outbound-error.ts'

export type BodyLimits = { readonly idleMs: number; readonly maxBytes: number; readonly where: string }

/** Ends the exchange and tells the error that ended it: the first one, for breaking a connection makes others. */
export type Finish = (error?: OutboundError) => OutboundError | undefined

export function bodyStream(message: IncomingMessage, limits: BodyLimits, finish: Finish): ReadableStream<Uint8Array> {
  const { idleMs, maxBytes, where } = limits
  const chunks: AsyncIterator<Uint8Array> = message[Symbol.asyncIterator]()
  let received = 0
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const timer = setTimeout(() => {
          finish(new OutboundError('timeout', `${where}: no byte for ${idleMs} ms after ${received} bytes of the body`))
        }, idleMs)
        try {
          const { done, value } = await chunks.next()
          if (done) {
            finish()
            return controller.close()
          }
          received += value.length
          if (received > maxBytes) throw new OutboundError('too-large', `${where}: more than ${maxBytes} bytes came`)
          controller.enqueue(value)
        } catch (error) {
          const sorted = outboundErrorOf(error, `${where}: the body broke off after ${received} bytes`)
          controller.error(finish(sorted) ?? sorted)
        } finally {
          clearTimeout(timer)
        }
      },
      cancel() {
        finish(new OutboundError('cancelled', `${where}: cancelled`))
      },
    },
    { highWaterMark: 0 },
  )
}

/** Reads a body to its end, so that its connection can be kept, unless it is longer than it is worth. */
export async function discard(body: ReadableStream<Uint8Array>): Promise<void> {
  let received = 0
  try {
    for await (const chunk of body) {
      received += chunk.length
      if (received > 65_536) return
    }
  } catch {
    // Nobody wanted it.
  }
}

/** Reads a body that its request has limited. */
export async function readAll(body: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return new Uint8Array(Buffer.concat(chunks))
}
