// A host that serves one range well or breaks it in a way that was seen in the field, on a socket of its own so that every byte and
// every end is as it says.
import { createServer, type Server, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'

export type Asked = {
  readonly socket: Socket
  readonly bytes: Buffer
  readonly first: number
  readonly last: number
}

export type Break = (asked: Asked) => void

function head(status: string, headers: Readonly<Record<string, string | number>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status}\r\n${lines.join('')}\r\n`
}

const rangeHead = ({ bytes, first, last }: Asked, more: Readonly<Record<string, string | number>> = {}) =>
  head('206 Partial Content', {
    'content-range': `bytes ${first}-${last}/${bytes.length}`,
    'content-length': last - first + 1,
    ...more,
  })

const part = ({ bytes, first, last }: Asked) => bytes.subarray(first, last + 1)
/** Up to the middle of the blob, wherever the range begins. */
const half = ({ bytes, first, last }: Asked) =>
  bytes.subarray(first, Math.max(first + 1, Math.min(last, bytes.length / 2)))
const whole: Break = (asked) => {
  asked.socket.write(rangeHead(asked))
  asked.socket.write(part(asked))
}
const says =
  (status: string, headers: Readonly<Record<string, string | number>> = {}, body = ''): Break =>
  ({ socket }) =>
    void socket.write(head(status, { 'content-length': body.length, ...headers }) + body)
const afterHalf =
  (end: (socket: Socket) => void): Break =>
  (asked) => {
    asked.socket.write(rangeHead(asked))
    asked.socket.write(half(asked), () => end(asked.socket))
  }

/** The bytes at these places of the blob are others, so that each range tells the same lie. */
export const wrongAt =
  (...places: readonly number[]): Break =>
  (asked) => {
    const bytes = Buffer.from(asked.bytes)
    for (const place of places) bytes[place < 0 ? bytes.length + place : place]! ^= 1
    whole({ ...asked, bytes })
  }

/** So many bytes of what `wrongAt` would send, and then the end. */
export const wrongAndEnds =
  (count: number, place: number): Break =>
  (asked) => {
    const bytes = Buffer.from(asked.bytes)
    bytes[place]! ^= 1
    asked.socket.write(rangeHead(asked))
    asked.socket.write(part({ ...asked, bytes }).subarray(0, count), () => asked.socket.end())
  }

export const good = whole

/** No head that could be used. */
export const brokenHeads: Readonly<Record<string, Break>> = {
  'answers 404': says('404 Not Found'),
  'answers 401': says('401 Unauthorized'),
  'answers 403': says('403 Forbidden'),
  'answers 410': says('410 Gone'),
  'answers 416': says('416 Range Not Satisfiable'),
  'answers 429': says('429 Too Many Requests', { 'retry-after': 1 }),
  'answers 500': says('500 Internal Server Error'),
  'answers 503': says('503 Service Unavailable', { 'retry-after': 1 }),
  'redirects to itself': says('302 Found', { location: '/again' }),
  'hangs up': ({ socket }) => void socket.end(),
  resets: ({ socket }) => void socket.resetAndDestroy(),
  'never answers': () => undefined,
  'speaks no HTTP': ({ socket }) => void socket.end('SSH-2.0-OpenSSH_9.2\r\n'),
  'ignores the range': ({ socket, bytes }) => {
    socket.write(head('200 OK', { 'content-length': bytes.length }))
    socket.write(bytes)
  },
  'sends a page': says('200 OK', { 'content-type': 'text/html' }, '<html>log in first</html>'),
  'sends an empty 200': says('200 OK'),
  'sends another range': (asked) => {
    const { bytes, first, last } = asked
    asked.socket.write(rangeHead(asked, { 'content-range': `bytes ${first + 1}-${last}/${bytes.length}` }))
    asked.socket.write(part(asked))
  },
  'has a blob of another size': (asked) => {
    asked.socket.write(rangeHead(asked, { 'content-range': `bytes ${asked.first}-${asked.last}/${asked.last + 2}` }))
    asked.socket.write(part(asked))
  },
  'promises fewer bytes': (asked) => {
    asked.socket.write(rangeHead(asked, { 'content-length': 10 }))
    asked.socket.write(part(asked).subarray(0, 10))
  },
  compresses: (asked) => {
    const body = gzipSync(part(asked))
    asked.socket.write(rangeHead(asked, { 'content-encoding': 'gzip', 'content-length': body.length }))
    asked.socket.write(body)
  },
}

/** A good head, and then the body breaks. */
export const brokenBodies: Readonly<Record<string, Break>> = {
  'falls silent midway': afterHalf(() => undefined),
  'ends midway': afterHalf((socket) => void socket.end()),
  'resets midway': afterHalf((socket) => void socket.resetAndDestroy()),
  'sends fewer bytes, and ends well': (asked) => {
    const body = half(asked)
    const range = `bytes ${asked.first}-${asked.last}/${asked.bytes.length}`
    asked.socket.write(head('206 Partial Content', { 'content-range': range, 'transfer-encoding': 'chunked' }))
    asked.socket.write(`${body.length.toString(16)}\r\n`)
    asked.socket.write(body)
    asked.socket.write('\r\n0\r\n\r\n')
  },
  'sends junk behind the end': (asked) => {
    const body = Buffer.concat([part(asked), Buffer.from('junk')])
    const range = `bytes ${asked.first}-${asked.last}/${asked.bytes.length}`
    asked.socket.write(head('206 Partial Content', { 'content-range': range, 'transfer-encoding': 'chunked' }))
    asked.socket.write(`${body.length.toString(16)}\r\n`)
    asked.socket.write(body)
    asked.socket.write('\r\n0\r\n\r\n')
  },
  'trickles from the middle on': (asked) => {
    asked.socket.write(rangeHead(asked))
    let sent = half(asked).length
    asked.socket.write(half(asked))
    const drip = setInterval(() => asked.socket.write(part(asked).subarray(sent, ++sent)), 20)
    asked.socket.on('close', () => clearInterval(drip))
  },
}

export type BreakingHost = AsyncDisposable & {
  readonly url: string
  /** `first-last` of each request. */
  readonly ranges: string[]
  readonly heads: string[]
  how: Break
  readonly openSockets: number
}

export async function startBreakingHost(
  bytes: Buffer,
  how: Break = good,
  address = '127.0.0.1',
): Promise<BreakingHost> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    let text = ''
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const asked = text.slice(0, end)
        text = text.slice(end + 4)
        const [, first, last] = /^range: bytes=(\d+)-(\d+)\r?$/im.exec(asked) ?? []
        host.heads.push(asked)
        host.ranges.push(`${first}-${last}`)
        host.how({ socket, bytes, first: Number(first), last: Number(last) })
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, address, resolve))
  const host = {
    url: `http://${address}:${(server.address() as { port: number }).port}`,
    ranges: [] as string[],
    heads: [] as string[],
    how,
    get openSockets() {
      return sockets.size
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return host
}
