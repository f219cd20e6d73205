import { open } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import type { Answer, StoredBody } from '#http/answer.ts'
import { isStored } from '#http/listener.ts'

/** One read of a file on its way out. */
const readBytes = 1 << 20

/** The client hung up, or took no byte of the answer for too long. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone'
}

/** Resolves when the last byte has been handed on, and not a moment later: the client may ask again as soon as it has it. */
export async function sendAnswer(answer: Answer, response: ServerResponse, stallMs: number): Promise<void> {
  const { body, headers, status } = answer
  response.statusCode = status
  for (const name in headers) response.setHeader(name, headers[name] as string | string[])
  const length = status === 204 || status === 304 ? undefined : lengthOf(answer)
  if (length !== undefined) response.setHeader('content-length', length)
  if (response.req.method === 'HEAD' || body === undefined) {
    if (isStored(body)) await body[Symbol.asyncDispose]()
    response.end()
  } else if (typeof body === 'string' || body instanceof Uint8Array) {
    response.end(body)
  } else {
    response.end(await writeAllButLast(response, isStored(body) ? readStored(body) : body, stallMs))
  }
}

function lengthOf({ body, contentLength }: Answer): number | undefined {
  if (contentLength !== undefined) return contentLength
  if (body === undefined) return 0
  if (typeof body === 'string') return Buffer.byteLength(body)
  if (body instanceof Uint8Array) return body.length
  return isStored(body) ? body.sizeBytes : undefined
}

/** Gives the last chunk back: whatever has to be closed is closed before it leaves. */
async function writeAllButLast(
  response: ServerResponse,
  chunks: AsyncIterable<Uint8Array>,
  stallMs: number,
): Promise<Uint8Array | undefined> {
  let last: Uint8Array | undefined
  for await (const chunk of chunks) {
    if (response.destroyed || response.closed) throw new ClientGone()
    if (last && !response.write(last)) await drained(response, stallMs)
    last = chunk
  }
  return last
}

async function* readStored(body: StoredBody): AsyncIterable<Uint8Array> {
  await using stored = body
  yield* stored.file ? readFile(stored, stored.file) : stored.stream()
}

/** The next piece is read while the last one leaves. Of the three buffers one is read into, one was given and is held, one is being
 *  written: whoever takes the pieces has handed on the one before the last when it asks for another. */
async function* readFile(
  { sizeBytes }: StoredBody,
  { path, first }: NonNullable<StoredBody['file']>,
): AsyncIterable<Uint8Array> {
  await using file = await open(path, 'r')
  const size = Math.min(readBytes, sizeBytes)
  const buffers = Array.from({ length: Math.min(3, Math.ceil(sizeBytes / readBytes)) }, () => Buffer.allocUnsafe(size))
  let turn = 0
  const read = (done: number) =>
    file.read(buffers[turn++ % buffers.length]!, 0, Math.min(size, sizeBytes - done), first + done)
  let reading = sizeBytes > 0 ? read(0) : undefined
  for (let done = 0; reading; ) {
    const { bytesRead, buffer } = await reading
    if (bytesRead === 0) throw new Error(`${path} ended ${sizeBytes - done} bytes early`)
    done += bytesRead
    reading = done < sizeBytes ? read(done) : undefined
    reading?.catch(() => undefined)
    yield bytesRead === buffer.length ? buffer : buffer.subarray(0, bytesRead)
  }
}

function drained(response: ServerResponse, stallMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (settle: () => void) => {
      clearTimeout(timer)
      response.off('drain', onDrain)
      response.off('close', onClose)
      settle()
    }
    const onDrain = () => done(resolve)
    const onClose = () => done(() => reject(new ClientGone()))
    const timer = setTimeout(onClose, stallMs)
    response.on('drain', onDrain)
    response.on('close', onClose)
  })
}
