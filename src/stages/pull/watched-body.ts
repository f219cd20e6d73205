// A body that tells how much of it went out. It is read and written here instead of being sent by the kernel, because only so is it
// known what a transfer that broke off has cost; at the rates of a network the two are equally fast.

import type { StoredBody } from '#http/answer.ts'
import type { ReplicaStream } from './replica-streams.ts'

export function watchedBody(body: StoredBody, stream: ReplicaStream): StoredBody {
  return {
    sizeBytes: body.sizeBytes,
    file: undefined,
    stream: () => watch(body.stream(), stream),
    async [Symbol.asyncDispose]() {
      stream.end()
      await body[Symbol.asyncDispose]()
    },
  }
}

function watch(bytes: ReadableStream<Uint8Array>, stream: ReplicaStream): ReadableStream<Uint8Array> {
  const reader = bytes.getReader()
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        stream.onCut = () => {
          controller.error(new Error('a replica stopped reading'))
          void reader.cancel().catch(() => undefined)
        }
      },
      async pull(controller) {
        try {
          const { done, value } = await reader.read()
          if (done) {
            stream.end()
            controller.close()
            return
          }
          controller.enqueue(value)
          stream.add(value.length)
        } catch (error) {
          stream.end()
          throw error
        }
      },
      async cancel(reason) {
        stream.end()
        await reader.cancel(reason)
      },
    },
    { highWaterMark: 0 },
  )
}
