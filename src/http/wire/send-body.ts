// Bodies that do not lie in memory: read in pieces in the thread pool, sent as the client takes them.
import { open } from 'node:fs/promises'
import type { Answer, StoredBody } from '#http/answer.ts'
import { isStored } from '#http/listener.ts'

export type Outlet = {
  /** True: there is room for more. False: the client is gone. */
  write(bytes: Uint8Array): boolean | Promise<boolean>
}

const chunkBytes = 256 * 1024

export async function sendStored(outlet: Outlet, body: StoredBody): Promise<void> {
  const { onSent } = body
  const told = onSent ? telling(outlet, onSent) : outlet
  try {
    if (body.file) await sendFile(told, { ...body.file, sizeBytes: body.sizeBytes })
    else await sendExactly(told, body)
  } finally {
    await body[Symbol.asyncDispose]()
  }
}

function telling(outlet: Outlet, onSent: (bytes: number) => void): Outlet {
  return {
    async write(bytes) {
      const isOpen = await outlet.write(bytes)
      if (isOpen) onSent(bytes.length)
      return isOpen
    },
  }
}

/** The next piece is read while the last one leaves; bytes that the socket did not take are its copy of them, never the buffer. */
async function sendFile(
  outlet: Outlet,
  { path, first, sizeBytes }: { readonly path: string; readonly first: number; readonly sizeBytes: number },
): Promise<void> {
  const handle = await open(path, 'r')
  try {
    const size = Math.min(chunkBytes, sizeBytes)
    const buffers = [Buffer.allocUnsafe(size), Buffer.allocUnsafe(size)] as const
    const read = (turn: number, done: number) =>
      handle.read(buffers[turn & 1]!, 0, Math.min(size, sizeBytes - done), first + done)
    let reading = sizeBytes > 0 ? read(0, 0) : undefined
    for (let turn = 0, done = 0; reading; turn++) {
      const { bytesRead, buffer } = await reading
      if (bytesRead === 0) throw new Error(`${path} ends ${sizeBytes - done} bytes early`)
      done += bytesRead
      reading = done < sizeBytes ? read(turn + 1, done) : undefined
      if (!(await outlet.write(buffer.subarray(0, bytesRead)))) {
        await reading
        return
      }
    }
  } finally {
    await handle.close()
  }
}

async function sendExactly(outlet: Outlet, body: StoredBody): Promise<void> {
  let left = body.sizeBytes
  for await (const chunk of body.stream()) {
    left -= chunk.length
    if (left < 0) throw new Error('a stored body is longer than it said')
    if (!(await outlet.write(chunk))) return
  }
  if (left > 0) throw new Error(`a stored body ends ${left} bytes early`)
}

/** A stream of unknown length: chunked, or (HTTP/1.0) up to the end of the connection. */
export async function sendStream(
  outlet: Outlet,
  stream: ReadableStream<Uint8Array>,
  isChunked: boolean,
): Promise<void> {
  for await (const chunk of stream) {
    if (chunk.length === 0) continue
    const framed = isChunked
      ? Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')])
      : chunk
    if (!(await outlet.write(framed))) return
  }
  if (isChunked) await outlet.write(Buffer.from('0\r\n\r\n'))
}

/** What a GET would send, for the answer to HEAD. */
export function lengthOf({ body, contentLength }: Answer): number | undefined {
  if (contentLength !== undefined) return contentLength
  if (body === undefined) return 0
  if (typeof body === 'string') return Buffer.byteLength(body)
  if (body instanceof Uint8Array) return body.length
  return isStored(body) ? body.sizeBytes : undefined
}

/** Nobody waits for it, and a store that fails to close what nobody reads must not end the process. */
export function dispose(body: Answer['body']): void {
  const close = async () => {
    if (isStored(body)) await body[Symbol.asyncDispose]()
    else if (body instanceof ReadableStream) await body.cancel()
  }
  close().catch(() => undefined)
}
