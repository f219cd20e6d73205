// What a host puts on the wire: a plain file server's answer, or what one of the faults makes of it.

import type { Socket } from 'node:net'
import type { FaultName } from './faults.ts'

export type HostRequest = {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly range: string | undefined
}

type Span = { readonly first: number; readonly last: number }
type Reply = { readonly status: string; readonly headers: Record<string, string | number>; readonly body: Uint8Array }

const page = Buffer.from('<html><body><h1>Welcome to the guest network</h1></body></html>')
const none = new Uint8Array()

const statuses: Partial<Record<FaultName, string>> = {
  '404': '404 Not Found',
  '401': '401 Unauthorized',
  '403': '403 Forbidden',
  '410': '410 Gone',
  '429': '429 Too Many Requests',
  '500': '500 Internal Server Error',
  '503': '503 Service Unavailable',
}

/** A single range; undefined: the whole, as for what this server does not understand. */
function readSpan(range: string | undefined, size: number): Span | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(range ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return undefined
  const isSuffix = match[1] === ''
  const first = isSuffix ? Math.max(0, size - Number(match[2])) : Number(match[1])
  const last = isSuffix || match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1)
  return first >= size || last < first ? 'unsatisfiable' : { first, last }
}

export function replyWith(file: Uint8Array | undefined, { range }: HostRequest): Reply {
  if (!file) return { status: '404 Not Found', headers: { 'content-type': 'text/html' }, body: page }
  const type = { 'content-type': 'application/octet-stream', 'accept-ranges': 'bytes' }
  const span = readSpan(range, file.length)
  if (span === undefined) return { status: '200 OK', headers: type, body: file }
  if (span === 'unsatisfiable') {
    return { status: '416 Range Not Satisfiable', headers: { 'content-range': `bytes */${file.length}` }, body: none }
  }
  const headers = { ...type, 'content-range': `bytes ${span.first}-${span.last}/${file.length}` }
  return { status: '206 Partial Content', headers, body: file.subarray(span.first, span.last + 1) }
}

function faultyReply(fault: FaultName, file: Uint8Array | undefined, request: HostRequest): Reply {
  const status = statuses[fault]
  if (status !== undefined) return { status, headers: { 'content-type': 'text/html' }, body: page }
  const whole = { ...request, range: undefined }
  switch (fault) {
    case 'short':
      return replyWith(file?.subarray(0, file.length >> 1), request)
    case 'wrong bytes':
      return replyWith(
        file?.map((byte) => byte ^ 0xff),
        request,
      )
    case 'trailing junk':
      return replyWith(file && Buffer.concat([file, Buffer.alloc(1024, '!')]), request)
    case 'html 200':
      return { status: '200 OK', headers: { 'content-type': 'text/html' }, body: page }
    case 'empty 200':
      return { status: '200 OK', headers: {}, body: none }
    case 'redirect loop':
      return { status: '302 Found', headers: { location: request.target }, body: none }
    case 'gzip':
    case 'x-gzip': {
      const reply = replyWith(file, request)
      return { ...reply, headers: { ...reply.headers, 'content-encoding': fault } }
    }
    case 'cut, Range ignored':
      return replyWith(file, whole)
    case 'cut, Range 416':
      if (request.range === undefined) return replyWith(file, whole)
      return {
        status: '416 Range Not Satisfiable',
        headers: { 'content-range': `bytes */${file?.length}` },
        body: none,
      }
    case 'cut, wrong Content-Range': {
      const reply = replyWith(file, request)
      if (request.range === undefined) return reply
      return {
        ...reply,
        headers: { ...reply.headers, 'content-range': `bytes 0-${reply.body.length - 1}/${file?.length}` },
      }
    }
    default:
      return replyWith(file, request)
  }
}

export type Sent = { readonly bytes: number; readonly isKept: boolean }

function headOf({ status, headers, body }: Reply): string {
  const lines = Object.entries({ ...headers, 'content-length': body.length }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  return `HTTP/1.1 ${status}\r\n${lines.join('')}\r\n`
}

function send(socket: Socket, reply: Reply, { method }: HostRequest): Sent {
  socket.write(headOf(reply))
  if (method !== 'HEAD' && reply.body.length > 0) socket.write(reply.body)
  return { bytes: method === 'HEAD' ? 0 : reply.body.length, isKept: true }
}

/** Half of what the head promised, then what `after` does. */
function sendHalf(socket: Socket, reply: Reply, after: () => void): Sent {
  const half = reply.body.subarray(0, reply.body.length >> 1)
  socket.write(headOf(reply))
  if (half.length > 0) socket.write(half, after)
  else after()
  return { bytes: half.length, isKept: false }
}

/** Answers one request. `fault` undefined: as a sound host does. `isKept`: the connection takes another request. */
export function serveRequest(
  socket: Socket,
  file: Uint8Array | undefined,
  request: HostRequest,
  fault: FaultName | undefined,
): Sent {
  if (fault === undefined) return send(socket, replyWith(file, request), request)
  const reply = faultyReply(fault, file, request)
  const isWhole = request.range === undefined
  switch (fault) {
    case 'closes at once':
      socket.end()
      return { bytes: 0, isKept: false }
    case 'never answers':
      return { bytes: 0, isKept: false }
    case 'half, then silence':
    case 'half, then gone':
      return sendHalf(socket, reply, () => undefined)
    case 'FIN midway':
      return sendHalf(socket, reply, () => socket.end())
    case 'RST midway':
      return sendHalf(socket, reply, () => socket.resetAndDestroy())
    case 'cut, Range ignored':
    case 'cut, Range 416':
    case 'cut, wrong Content-Range':
      return isWhole ? sendHalf(socket, reply, () => socket.end()) : send(socket, reply, request)
    default:
      return send(socket, reply, request)
  }
}
