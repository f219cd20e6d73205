// Bodies out of one file: a piece of it, sent by the server straight from the disk, or several as multipart/byteranges.

import { open } from 'node:fs/promises'
import type { ByteRange } from '#blobs/blob-store.ts'
import type { StoredBody } from '#http/answer.ts'

const chunkBytes = 256 * 1024

export function fileBody(path: string, range: ByteRange): StoredBody {
  return {
    sizeBytes: range.last - range.first + 1,
    file: { path, first: range.first },
    stream: () => streamOf(readRange(path, range)),
    async [Symbol.asyncDispose]() {},
  }
}

export type Multipart = { readonly contentType: string; readonly body: StoredBody }

export function multipartBody(
  path: string,
  sizeBytes: number,
  ranges: readonly ByteRange[],
  boundary: string,
): Multipart {
  const encoder = new TextEncoder()
  const heads = ranges.map(({ first, last }, i) =>
    encoder.encode(
      `${i === 0 ? '' : '\r\n'}--${boundary}\r\ncontent-type: application/octet-stream\r\n` +
        `content-range: bytes ${first}-${last}/${sizeBytes}\r\n\r\n`,
    ),
  )
  const tail = encoder.encode(`\r\n--${boundary}--\r\n`)
  const total = ranges.reduce((sum, { first, last }, i) => sum + heads[i]!.length + last - first + 1, tail.length)
  async function* parts() {
    for (const [i, range] of ranges.entries()) {
      yield heads[i]!
      yield* readRange(path, range)
    }
    yield tail
  }
  return {
    contentType: `multipart/byteranges; boundary=${boundary}`,
    body: { sizeBytes: total, file: undefined, stream: () => streamOf(parts()), async [Symbol.asyncDispose]() {} },
  }
}

async function* readRange(path: string, { first, last }: ByteRange): AsyncGenerator<Uint8Array> {
  const handle = await open(path, 'r')
  try {
    for (let at = first; at <= last; ) {
      const chunk = new Uint8Array(Math.min(chunkBytes, last - at + 1))
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, at)
      if (bytesRead === 0) throw new Error(`${path} became shorter while it was sent`)
      yield chunk.subarray(0, bytesRead)
      at += bytesRead
    }
  } finally {
    await handle.close()
  }
}

function streamOf(chunks: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await chunks.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      async cancel() {
        await chunks.return(undefined)
      },
    },
    { highWaterMark: 0 },
  )
}
