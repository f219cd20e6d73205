import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { createConnection, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Answer, Ask, StoredBody } from '#http/answer.ts'
import type { Listener } from '#http/listener.ts'
import { listenWire } from './listen-wire.ts'

const host = '127.0.0.1'
let folder: string
let listener: Listener
let disposed = 0
const logged: unknown[] = []
const asked: string[] = []
/** Answers that a test lets go when it wants. */
const held = new Map<string, (answer: Answer) => void>()
const bigBytes = 3 * 1024 * 1024 + 17
/** Sparse: more than the buffers of both ends take. */
let told = 0
const left: string[] = []
const hugeBytes = 4 * 1024 ** 3

function stored(path: string, first: number, sizeBytes: number): StoredBody {
  return {
    sizeBytes,
    file: { path, first },
    stream: () => new Blob(['not used']).stream() as ReadableStream<Uint8Array>,
    async [Symbol.asyncDispose]() {
      disposed++
    },
  }
}

function handler(ask: Ask): Answer | Promise<Answer> {
  asked.push(`${ask.method} ${ask.path}`)
  if (ask.query === 'watched') ask.gone!.addEventListener('abort', () => left.push(ask.path))
  const headers = { 'content-type': 'text/plain' }
  if (ask.path.startsWith('/held')) return new Promise((resolve) => held.set(ask.path, resolve))
  switch (ask.path) {
    case '/bug':
      throw new Error('a bug')
    case '/late-bug':
      return Promise.reject(new Error('a late bug'))
    case '/bytes':
      return { status: 200, headers, body: new Uint8Array([1, 2, 255]) }
    case '/wide':
      return { status: 200, headers, body: 'ä€' }
    case '/big':
      return { status: 200, headers, body: stored(join(folder, 'big'), 0, bigBytes) }
    case '/huge':
      return { status: 200, headers, body: stored(join(folder, 'huge'), 0, hugeBytes) }
    case '/part':
      return { status: 206, headers, body: stored(join(folder, 'big'), 1000, 5) }
    case '/short':
      return { status: 200, headers, body: stored(join(folder, 'short'), 0, 100) }
    case '/told':
      return {
        status: 200,
        headers,
        body: { ...stored(join(folder, 'huge'), 0, hugeBytes), onSent: (bytes) => void (told += bytes) },
      }
    case '/told-part':
      return {
        status: 200,
        headers,
        body: { ...stored(join(folder, 'big'), 1, 5), onSent: (bytes) => void (told += bytes) },
      }
    case '/gone':
      return { status: 200, headers, body: stored(join(folder, 'none'), 0, 100) }
    case '/stream':
      return { status: 200, headers, body: new Blob(['ab', 'cd']).stream() as ReadableStream<Uint8Array> }
    case '/not-modified':
      return { status: 304, headers: { etag: '"x"' } }
    case '/inject':
      return {
        status: 200,
        headers: { 'x-a': 'b\r\nset-cookie: c\0ä', 'bad name': 'x', 'content-length': '999', 'x-l': ['1', '2\n3'] },
        body: 'hi',
      }
    default:
      return {
        status: 200,
        headers,
        body: JSON.stringify([ask.path, ask.query, ask.peer, ask.header('x-one') ?? null, ask.header('x-two') ?? null]),
      }
  }
}

const short = { headerTimeoutMs: 300, idleTimeoutMs: 500, sendStallMs: 2000, lingerMs: 300 }

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wire-'))
  await writeFile(join(folder, 'big'), Buffer.alloc(bigBytes, 'abcdefghijk'))
  await writeFile(join(folder, 'short'), 'only this')
  await writeFile(join(folder, 'huge'), '')
  await truncate(join(folder, 'huge'), hugeBytes)
  listener = listenWire(handler, { host, port: 0, log: (error) => logged.push(error) })
})
afterAll(async () => {
  await listener.stop(0)
  await rm(folder, { recursive: true, force: true })
})

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

class Client {
  readonly socket: Socket
  received = Buffer.alloc(0)
  readonly closed: Promise<void>
  constructor(port: number) {
    this.socket = createConnection({ host, port, allowHalfOpen: true })
    this.socket.on('data', (chunk) => {
      this.received = Buffer.concat([this.received, chunk as Buffer])
    })
    this.socket.on('error', () => undefined)
    this.closed = new Promise((resolve) => {
      this.socket.on('end', resolve)
      this.socket.on('close', () => resolve())
    })
  }
  get text(): string {
    return this.received.toString('latin1')
  }
  get statuses(): string[] {
    return [...this.text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1]!)
  }
}

/** Sends the pieces, each after the one before has left, and returns all that came until the server closed. */
async function exchange(pieces: readonly (string | Uint8Array)[], port = listener.port): Promise<Client> {
  const client = new Client(port)
  for (const piece of pieces) {
    await new Promise<void>((resolve) => client.socket.write(Buffer.from(piece as string), () => resolve()))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await client.closed
  client.socket.destroy()
  return client
}

const close = 'Connection: close\r\n\r\n'
const bodyOf = (text: string) => text.slice(text.indexOf('\r\n\r\n') + 4)
const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}`

describe('requests', () => {
  test.each<[string, string, unknown]>([
    [
      'path and query as they came',
      get('/a/%2e%2e/b%2fc?x=%20&y', close),
      ['/a/%2e%2e/b%2fc', 'x=%20&y', host, null, null],
    ],
    ['a second question mark', get('/?a?b', close), ['/', 'a?b', host, null, null]],
    ['absolute form', get('http://other:80/p?q', close), ['/p', 'q', host, null, null]],
    ['absolute form without a path', get('HTTPS://other', close), ['/', '', host, null, null]],
    ['absolute form with a query only', get('http://other?q', close), ['/', 'q', host, null, null]],
    ['headers in any case, trimmed', get('/', `X-ONE: \t a b \t\r\n${close}`), ['/', '', host, 'a b', null]],
    ['repeated headers joined', get('/', `x-one: a\r\nx-two:b\r\nX-One:c\r\n${close}`), ['/', '', host, 'a, c', 'b']],
    ['a name that is the end of another', get('/', `ax-one: a\r\nx-one-b: c\r\n${close}`), ['/', '', host, null, null]],
    ['a value that looks like a header', get('/', `a: x-one: b\r\n${close}`), ['/', '', host, null, null]],
    ['an empty value', get('/', `x-one:\r\n${close}`), ['/', '', host, '', null]],
    ['no body', get('/', `Content-Length: 0\r\n${close}`), ['/', '', host, null, null]],
    ['an expectation without a body', get('/', `Expect: 100-continue\r\n${close}`), ['/', '', host, null, null]],
    ['an empty line before it', `\r\n${get('/', close)}`, ['/', '', host, null, null]],
    ['HTTP/1.0 without Host', 'GET /old HTTP/1.0\r\n\r\n', ['/old', '', host, null, null]],
  ])('%s', async (_, request, expected) => {
    const { text } = await exchange([request])
    expect(text).toStartWith('HTTP/1.1 200 OK\r\n')
    expect(JSON.parse(bodyOf(text))).toEqual(expected)
  })

  test('in pieces of one byte', async () => {
    const { text } = await exchange([...get('/slow', close)])
    expect(JSON.parse(bodyOf(text))[0]).toBe('/slow')
  })

  test('pipelined, in order, across pieces', async () => {
    const requests = Array.from({ length: 50 }, (_, i) => get(`/${i}`, i === 49 ? close : '\r\n')).join('')
    const { text } = await exchange([requests.slice(0, 700), requests.slice(700, 701), requests.slice(701)])
    expect([...text.matchAll(/\["\/(\d+)"/g)].map((match) => Number(match[1]))).toEqual(
      Array.from({ length: 50 }, (_, i) => i),
    )
  })

  test('HTTP/1.0 lives on when it asks to', async () => {
    const { text, statuses } = await exchange([
      'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
      'GET / HTTP/1.0\r\n\r\n',
    ])
    expect(statuses).toEqual(['200', '200'])
    expect(text).toContain('connection: keep-alive\r\n')
  })
})

const host2 = 'Host: x\r\n'
test.each<[string, string, string]>([
  ['another method', '405', `POST / HTTP/1.1\r\n${host2}\r\n`],
  ['another method with a body', '405', `PUT / HTTP/1.1\r\n${host2}Content-Length: 3\r\n\r\nabc`],
  ['CONNECT', '405', `CONNECT a:1 HTTP/1.1\r\n${host2}\r\n`],
  ['OPTIONS *', '405', `OPTIONS * HTTP/1.1\r\n${host2}\r\n`],
  ['a method in lower case', '405', `get / HTTP/1.1\r\n${host2}\r\n`],
  ['a method that is no token', '400', `GE(T / HTTP/1.1\r\n${host2}\r\n`],
  ['no Host', '400', 'GET / HTTP/1.1\r\n\r\n'],
  ['two Hosts', '400', `GET / HTTP/1.1\r\n${host2}${host2}\r\n`],
  ['a Host with a path', '400', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n'],
  ['a Host list', '400', 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n'],
  ['a body', '400', `GET / HTTP/1.1\r\n${host2}Content-Length: 1\r\n\r\na`],
  ['two lengths', '400', `GET / HTTP/1.1\r\n${host2}Content-Length: 0\r\nContent-Length: 5\r\n\r\n`],
  ['a length list', '400', `GET / HTTP/1.1\r\n${host2}Content-Length: 0, 0\r\n\r\n`],
  ['a length with a sign', '400', `GET / HTTP/1.1\r\n${host2}Content-Length: +0\r\n\r\n`],
  ['an empty length', '400', `GET / HTTP/1.1\r\n${host2}Content-Length:\r\n\r\n`],
  ['chunks', '400', `GET / HTTP/1.1\r\n${host2}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['chunks in HTTP/1.0', '400', 'GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['identity coding', '400', `GET / HTTP/1.1\r\n${host2}transfer-ENCODING: identity\r\n\r\n`],
  ['a space before the colon', '400', `GET / HTTP/1.1\r\n${host2}Content-Length : 0\r\n\r\n`],
  ['a folded line', '400', `GET / HTTP/1.1\r\n${host2}a: b\r\n c\r\n\r\n`],
  ['a folded first line', '400', 'GET / HTTP/1.1\r\n Host: x\r\n\r\n'],
  ['a header without a colon', '400', `GET / HTTP/1.1\r\n${host2}abc\r\n\r\n`],
  ['a header without a name', '400', `GET / HTTP/1.1\r\n${host2}: a\r\n\r\n`],
  ['a bare line feed', '400', `GET / HTTP/1.1\n${host2}\r\n`],
  ['a bare line feed after a header', '400', 'GET / HTTP/1.1\r\nHost: x\n\r\n'],
  ['a bare carriage return', '400', 'GET / HTTP/1.1\r\nHost: x\ry: z\r\n\r\n'],
  ['a bare carriage return at the end', '400', `GET / HTTP/1.1\r\n${host2}\rx`],
  ['NUL in a value', '400', 'GET / HTTP/1.1\r\nHost: x\0\r\n\r\n'],
  ['NUL in a name', '400', `GET / HTTP/1.1\r\n${host2}a\0: x\r\n\r\n`],
  ['NUL in the path', '400', `GET /\0 HTTP/1.1\r\n${host2}\r\n`],
  ['DEL in a value', '400', 'GET / HTTP/1.1\r\nHost: x\r\na: \x7f\r\n\r\n'],
  ['a tab in the request line', '400', `GET\t/ HTTP/1.1\r\n${host2}\r\n`],
  ['two spaces', '400', `GET  / HTTP/1.1\r\n${host2}\r\n`],
  ['a space in the target', '400', `GET /a b HTTP/1.1\r\n${host2}\r\n`],
  ['a space after the version', '400', `GET / HTTP/1.1 \r\n${host2}\r\n`],
  ['no version', '400', `GET /\r\n${host2}\r\n`],
  ['a byte above ASCII in the target', '400', `GET /\xe4 HTTP/1.1\r\n${host2}\r\n`],
  ['a fragment', '400', `GET /#a HTTP/1.1\r\n${host2}\r\n`],
  ['a relative target', '400', `GET a HTTP/1.1\r\n${host2}\r\n`],
  ['a target of another scheme', '400', `GET ftp://a/ HTTP/1.1\r\n${host2}\r\n`],
  ['absolute form without a host', '400', `GET http:///a HTTP/1.1\r\n${host2}\r\n`],
  ['HTTP/2.0', '505', `GET / HTTP/2.0\r\n${host2}\r\n`],
  ['the preface of HTTP/2', '505', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['a version that is none', '400', `GET / HTTX/1.1\r\n${host2}\r\n`],
  ['an unknown expectation', '417', `GET / HTTP/1.1\r\n${host2}Expect: tea\r\n\r\n`],
  ['a TLS hello', '400', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ['a long request line', '414', `GET /${'a'.repeat(9000)} HTTP/1.1\r\n${host2}\r\n`],
  ['a long request line without an end', '414', `GET /${'a'.repeat(9000)}`],
  ['a long head', '431', `GET / HTTP/1.1\r\n${host2}a: ${'b'.repeat(33_000)}\r\n\r\n`],
  ['a long head without an end', '431', `GET / HTTP/1.1\r\n${host2}a: ${'b'.repeat(33_000)}`],
  ['many headers', '431', `GET / HTTP/1.1\r\n${host2}${'a: b\r\n'.repeat(100)}\r\n`],
])('%s: %s, and nothing after it runs', async (_, status, request) => {
  const before = asked.length
  const smuggled = get('/smuggled', close)
  for (const pieces of [
    [Buffer.from(request + smuggled, 'latin1')],
    [...request].map((one) => Buffer.from(one, 'latin1')),
  ]) {
    if (pieces.length > 2000) continue
    if (pieces.length > 1) pieces.push(Buffer.from(smuggled))
    const { text, statuses } = await exchange(pieces)
    expect(statuses).toEqual([status])
    expect(text).toContain('connection: close\r\n')
    expect(JSON.parse(bodyOf(text)).errors.length).toBe(1)
    if (status === '405') expect(text).toContain('allow: GET, HEAD\r\n')
  }
  expect(asked.length).toBe(before)
})

describe('answers', () => {
  test('bytes', async () => {
    const { received } = await exchange([get('/bytes', close)])
    expect([...received.subarray(-3)]).toEqual([1, 2, 255])
    expect(received.toString('latin1')).toContain('content-length: 3\r\n')
  })

  test('text outside ASCII counts its bytes', async () => {
    const { received } = await exchange([get('/wide', close)])
    expect(received.toString()).toContain('content-length: 5\r\n')
    expect(received.toString()).toEndWith('ä€')
  })

  test.each([
    ['/bytes', '3'],
    ['/wide', '5'],
    ['/big', String(bigBytes)],
  ])('HEAD %s tells the length and sends nothing', async (path, length) => {
    const { text, statuses } = await exchange([`HEAD ${path} HTTP/1.1\r\nHost: x\r\n\r\n`, get('/', close)])
    expect(text).toContain(`content-length: ${length}\r\n\r\nHTTP/1.1 200`)
    expect(statuses).toEqual(['200', '200'])
  })

  test('a 304 has no length', async () => {
    const { text } = await exchange([get('/not-modified', close)])
    expect(text).not.toContain('content-length')
    expect(text).toContain('etag: "x"\r\n')
    expect(text).toMatch(/\r\ndate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n/)
  })

  test('no value of a header can begin another line', async () => {
    const { text } = await exchange([get('/inject', close)])
    const lines = text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n').slice(2)
    expect(lines).toEqual(['x-a: b set-cookie: c ', 'x-l: 1', 'x-l: 2 3', 'content-length: 2', 'connection: close'])
  })

  test('a file comes whole, then the next answer', async () => {
    disposed = 0
    const { received } = await exchange([get('/big', '\r\n') + get('/part', close)])
    const start = received.indexOf('\r\n\r\n') + 4
    expect(received.subarray(start, start + bigBytes).equals(Buffer.alloc(bigBytes, 'abcdefghijk'))).toBe(true)
    expect(received.subarray(start + bigBytes).toString()).toEndWith('\r\n\r\nkabcd')
    expect(disposed).toBe(2)
  })

  test('a file goes to a slow client without being held in memory, and is closed when the client leaves', async () => {
    disposed = 0
    const before = process.memoryUsage.rss()
    const client = new Client(listener.port)
    client.socket.pause()
    client.socket.write(get('/huge', '\r\n'))
    await until(() => client.socket.readableLength > 0)
    client.socket.destroy()
    await until(() => disposed === 1)
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 1024 * 1024)
  })

  test('what left is told, and not what the client did not take', async () => {
    told = 0
    await exchange([get('/told-part', close)])
    expect(told).toBe(5)
    const client = new Client(listener.port)
    client.socket.pause()
    client.socket.write(get('/told', '\r\n'))
    await until(() => told > 5)
    client.socket.destroy()
    disposed = 0
    await until(() => disposed === 1)
    expect(told).toBeLessThan(hugeBytes / 4)
  })

  test('whoever asked to hear of it is told that the client is gone, while it waits and while it is sent to', async () => {
    left.length = 0
    for (const path of ['/held/gone', '/huge']) {
      const client = new Client(listener.port)
      client.socket.pause()
      client.socket.write(get(`${path}?watched`, '\r\n'))
      await until(() => asked.at(-1) === `GET ${path}`)
      client.socket.destroy()
      await until(() => left.includes(path))
    }
    await exchange([get('/part?watched', close)])
    expect(left).toEqual(['/held/gone', '/huge'])
  })

  test('a client that ends its side gets what it asked for, in full', async () => {
    for (const path of ['/', '/big']) {
      const client = new Client(listener.port)
      client.socket.end(get(path, '\r\n'))
      await client.closed
      if (path === '/big') expect(bodyOf(client.text).length).toBe(bigBytes)
      else expect(client.statuses).toEqual(['200'])
    }
  })

  test.each(['/short', '/gone'])('%s: a file that fails cuts the connection', async (path) => {
    disposed = 0
    const { text } = await exchange([get(path, '\r\n') + get('/', close)])
    expect(bodyOf(text).length).toBeLessThan(100)
    expect(text).not.toContain('["/"')
    expect(disposed).toBe(1)
  })

  test('a stream of unknown length is chunked, and ends the connection for HTTP/1.0', async () => {
    const { text, statuses } = await exchange([get('/stream', '\r\n') + get('/', close)])
    expect(statuses).toEqual(['200', '200'])
    expect(text).toMatch(/transfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\nHTTP/)
    const old = await exchange(['GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'])
    expect(old.text).toMatch(/connection: close\r\n\r\nabcd$/)
  })

  test.each(['/bug', '/late-bug'])(
    '%s is answered 500 without detail, logged, and the connection lives',
    async (path) => {
      logged.length = 0
      const { text, statuses } = await exchange([get(path, '\r\n') + get('/', close)])
      expect(statuses).toEqual(['500', '200'])
      expect(text).not.toContain('a bug')
      expect(String(logged[0])).toContain('bug')
    },
  )
})

describe('held answers', () => {
  test('keep their place in the line', async () => {
    const client = new Client(listener.port)
    client.socket.write(get('/held/1', '\r\n') + get('/after', '\r\n') + get('/held/2', '\r\n') + get('/last', close))
    await until(() => held.has('/held/1'))
    expect(asked.at(-1)).toBe('GET /held/1')
    held.get('/held/1')!({ status: 307, headers: { location: '/x' } })
    await until(() => held.has('/held/2'))
    held.get('/held/2')!({ status: 404, headers: {} })
    await client.closed
    expect(client.statuses).toEqual(['307', '200', '404', '200'])
  })

  test('outlast every timeout', async () => {
    const own = listenWire(handler, {
      host,
      port: 0,
      limits: { ...short, idleTimeoutMs: 40, headerTimeoutMs: 40 },
      log() {},
    })
    const client = new Client(own.port)
    client.socket.write(get('/held/long', close))
    const idle = new Client(own.port)
    await idle.closed
    held.get('/held/long')!({ status: 200, headers: {}, body: 'late' })
    await client.closed
    expect(client.text).toEndWith('late')
    await own.stop(0)
  })

  test.each(['destroy', 'end'] as const)(
    'a client that goes (%s) is noticed, and a stored answer is closed',
    async (how) => {
      const client = new Client(listener.port)
      client.socket.write(get(`/held/${how}`, '\r\n'))
      await until(() => held.has(`/held/${how}`))
      disposed = 0
      client.socket[how]()
      await client.closed
      held.get(`/held/${how}`)!({ status: 200, headers: {}, body: stored(join(folder, 'big'), 0, bigBytes) })
      await until(() => disposed === 1)
    },
  )

  test('a flood behind one is not read without end', async () => {
    const client = new Client(listener.port)
    client.socket.write(get('/held/flood', '\r\n'))
    await until(() => held.has('/held/flood'))
    const requests = 40_000
    client.socket.write(get('/f', '\r\n').repeat(requests) + get('/last', close))
    held.get('/held/flood')!({ status: 200, headers: {} })
    await client.closed
    expect(client.statuses.length).toBe(requests + 2)
  })
})

describe('limits', () => {
  const withLimits = async (limits: object, run: (port: number) => Promise<void>) => {
    const own = listenWire(handler, { host, port: 0, limits: { ...short, ...limits }, log() {} })
    await run(own.port)
    await own.stop(0)
  }

  test('a head that trickles is cut off with 408, whatever arrives', () =>
    withLimits({}, async (port) => {
      const client = new Client(port)
      const trickle = setInterval(() => client.socket.write('a'), 20)
      await client.closed
      clearInterval(trickle)
      expect(client.statuses).toEqual(['408'])
    }))

  test('a silent connection is closed, before and after a request', () =>
    withLimits({}, async (port) => {
      expect((await exchange([], port)).text).toBe('')
      expect((await exchange([get('/', '\r\n')], port)).statuses).toEqual(['200'])
    }))

  test('requests per connection', () =>
    withLimits({ maxRequestsPerConnection: 2 }, async (port) => {
      const { statuses, text } = await exchange([get('/', '\r\n').repeat(5)], port)
      expect(statuses).toEqual(['200', '200'])
      expect(text.match(/connection: close/g)!.length).toBe(1)
    }))

  test('connections', () =>
    withLimits({ maxConnections: 1, idleTimeoutMs: 60_000 }, async (port) => {
      const first = new Client(port)
      first.socket.write(get('/', '\r\n'))
      await until(() => first.text.length > 0)
      expect((await exchange([], port)).statuses).toEqual(['503'])
      first.socket.destroy()
      let statuses: string[] = []
      while (statuses[0] !== '200') statuses = (await exchange([get('/', close)], port)).statuses
    }))

  test('a client that does not read is cut off', () =>
    withLimits({ sendStallMs: 100 }, async (port) => {
      disposed = 0
      const client = new Client(port)
      client.socket.pause()
      client.socket.write(get('/huge', '\r\n'))
      await until(() => disposed === 1)
      client.socket.resume()
      await client.closed
      expect(client.received.length).toBeLessThan(hugeBytes)
    }))
})

test('stop lets a running answer finish, ends idle connections and refuses new ones', async () => {
  const own = listenWire(handler, { host, port: 0, log() {} })
  const idle = new Client(own.port)
  idle.socket.write(get('/', '\r\n'))
  const busy = new Client(own.port)
  busy.socket.write(get('/held/stop', '\r\n'))
  await until(() => held.has('/held/stop') && idle.text.length > 0)
  const stopped = own.stop(10_000)
  await idle.closed
  idle.socket.destroy()
  held.get('/held/stop')!({ status: 200, headers: {}, body: 'done' })
  await busy.closed
  expect(busy.text).toContain('connection: close\r\n')
  expect(busy.text).toEndWith('done')
  busy.socket.destroy()
  await stopped
  expect((await exchange([get('/', close)], own.port)).text).toBe('')
})

test('stop cuts what outlasts its grace', async () => {
  const own = listenWire(handler, { host, port: 0, log() {} })
  const busy = new Client(own.port)
  busy.socket.write(get('/held/forever', '\r\n'))
  await until(() => held.has('/held/forever'))
  await own.stop(20)
  await busy.closed
  expect(busy.text).toBe('')
})
