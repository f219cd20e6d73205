import { afterAll, describe, expect, test } from 'bun:test'
import { createServer, type Server, type Socket } from 'node:net'
import { waitUntil } from '../../../test/kit/wait-until.ts'
import { readAll } from './body-stream.ts'
import { OutboundClient, type OutboundRequest } from './outbound-client.ts'
import { OutboundError, type OutboundTrouble } from './outbound-error.ts'

const servers: Server[] = []
const clients: OutboundClient[] = []
afterAll(async () => {
  for (const client of clients) await client[Symbol.asyncDispose]()
  for (const server of servers) server.close()
})

type Wire = { readonly url: string; readonly port: number; readonly asked: string[]; connections: number }

/** A server that says exactly what the test says. */
async function wire(
  answer: (socket: Socket, request: string, count: number) => void,
  address = '127.0.0.1',
): Promise<Wire> {
  const asked: string[] = []
  const server = createServer((socket) => {
    about.connections++
    let text = ''
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (!text.includes('\r\n\r\n')) return
      asked.push(text)
      const request = text
      text = ''
      answer(socket, request, asked.length)
    })
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, address, resolve))
  const { port } = server.address() as { port: number }
  const about: Wire = { url: `http://${address}:${port}`, port, asked, connections: 0 }
  return about
}

type Say = (socket: Socket) => void
const reply =
  (head: string, body = ''): Say =>
  (socket) =>
    void socket.write(`HTTP/1.1 ${head}\r\n\r\n${body}`)
const replyAndEnd =
  (head: string, body = ''): Say =>
  (socket) =>
    void socket.end(`HTTP/1.1 ${head}\r\n\r\n${body}`)

function clientOf(about: Partial<ConstructorParameters<typeof OutboundClient>[0]> = {}): OutboundClient {
  const client = new OutboundClient({ allowPrivate: true, userAgent: 'flotilla-test', ...about })
  clients.push(client)
  return client
}

const limits = { totalMs: 10_000, idleMs: 5_000, maxBodyBytes: 1_000_000 }
const client = clientOf()
const ask = (url: string, about: Partial<OutboundRequest> = {}, by = client) => by.send({ url, ...limits, ...about })

/** What a request ends in, be it at its headers or in its body. */
async function troubleOf(answer: Promise<{ body: ReadableStream<Uint8Array> }>): Promise<OutboundError> {
  try {
    await readAll((await answer).body)
  } catch (error) {
    if (error instanceof OutboundError) return error
    throw error
  }
  throw new Error('nothing went wrong')
}

describe('an answer', () => {
  test('comes as it was sent: status, headers, bytes; asked for without coding', async () => {
    const server = await wire(
      reply('206 Partial Content\r\nContent-Length: 5\r\nContent-Encoding: gzip\r\nX-A: 1\r\nX-A: 2', 'hello'),
    )
    const answer = await ask(`${server.url}/a%2fb?c=d`, { headers: { range: 'bytes=0-4' } })
    expect(answer.status).toBe(206)
    expect(answer.header('content-encoding')).toBe('gzip')
    expect(answer.header('x-a')).toBe('1, 2')
    expect(answer.family).toBe(4)
    expect(Buffer.from(await readAll(answer.body)).toString()).toBe('hello')
    const [request] = server.asked
    expect(request).toStartWith('GET /a%2fb?c=d HTTP/1.1\r\n')
    expect(request).toContain(`host: 127.0.0.1:${server.port}\r\n`)
    expect(request).toContain('accept-encoding: identity\r\n')
    expect(request).toContain('user-agent: flotilla-test\r\n')
    expect(request).toContain('range: bytes=0-4\r\n')
  })

  test('leaves its connection for the next one', async () => {
    const server = await wire(reply('200 OK\r\nContent-Length: 2', 'ok'))
    for (let i = 0; i < 3; i++) await readAll((await ask(server.url)).body)
    expect(server.connections).toBe(1)
  })

  test('leaves two connections of many, and those end when nobody needs them', async () => {
    const open = new Set<Socket>()
    const held: (() => void)[] = []
    const server = await wire((socket) => {
      open.add(socket)
      socket.on('close', () => open.delete(socket))
      held.push(() => reply('200 OK\r\nContent-Length: 2', 'ok')(socket))
    })
    const by = clientOf({ keepAliveMs: 200 })
    const answers = Array.from({ length: 10 }, async () => await readAll((await ask(server.url, {}, by)).body))
    await waitUntil(() => held.length === 10, { what: 'ten requests are there' })
    for (const answer of held) answer()
    await Promise.all(answers)
    await waitUntil(() => open.size <= 2, { what: 'eight connections end' })
    await waitUntil(() => open.size === 0, { what: 'the others end' })
    expect(server.connections).toBe(10)
  })

  test('that a kept connection could not bring is asked for again', async () => {
    const server = await wire((socket, _, count) => {
      if (count === 2) socket.destroy()
      else reply('200 OK\r\nContent-Length: 2', 'ok')(socket)
    })
    for (let i = 0; i < 3; i++) expect((await readAll((await ask(server.url)).body)).length).toBe(2)
    expect(server.asked.length).toBe(4)
  })

  test('of HEAD has no body and keeps the length it tells', async () => {
    const server = await wire(reply('200 OK\r\nContent-Length: 12345'))
    const answer = await ask(server.url, { method: 'HEAD' })
    expect(answer.header('content-length')).toBe('12345')
    expect((await readAll(answer.body)).length).toBe(0)
  })

  test('waits for a reader that takes its time', async () => {
    const size = 4_000_000
    const server = await wire((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
      socket.write(Buffer.alloc(size, 'x'))
    })
    const answer = await ask(server.url, { idleMs: 1_000, maxBodyBytes: size })
    const reader = answer.body.getReader()
    let received = (await reader.read()).value!.length
    await new Promise((resolve) => setTimeout(resolve, 1_200))
    for (let next = await reader.read(); !next.done; next = await reader.read()) received += next.value.length
    expect(received).toBe(size)
  })
})

describe('trouble has its kind', () => {
  const quick = { idleMs: 80 }
  const cases: readonly (readonly [string, OutboundTrouble, Say, Partial<OutboundRequest>])[] = [
    ['a body shorter than told', 'closed', replyAndEnd('200 OK\r\nContent-Length: 50', 'hello'), {}],
    [
      'a body broken off in chunks',
      'closed',
      replyAndEnd('200 OK\r\nTransfer-Encoding: chunked', '5\r\nhello\r\n'),
      {},
    ],
    ['no answer at all', 'timeout', () => undefined, quick],
    ['half a head', 'timeout', (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-'), quick],
    ['silence inside the body', 'timeout', reply('200 OK\r\nContent-Length: 50', 'hello'), quick],
    ['a closed connection', 'closed', (socket) => void socket.end(), {}],
    ['another protocol', 'protocol', (socket) => void socket.end('SSH-2.0-OpenSSH_9.2\r\n'), {}],
    ['a bad chunk', 'protocol', reply('200 OK\r\nTransfer-Encoding: chunked', 'ZZ\r\nhello'), {}],
    ['two lengths', 'protocol', reply('200 OK\r\nContent-Length: 5\r\nContent-Length: 6', 'hello'), {}],
    [
      'a length and chunks',
      'protocol',
      reply('200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked', '5\r\nhello'),
      {},
    ],
    ['too many headers', 'too-large', reply(`200 OK\r\n${'X-A: aaaaaaaaaaaaaaaaaaaa\r\n'.repeat(5000)}A: b`), {}],
    ['too long a body', 'too-large', reply('200 OK\r\nContent-Length: 2000', 'x'.repeat(2000)), { maxBodyBytes: 1000 }],
    ['an endless body', 'too-large', reply('200 OK', 'x'.repeat(70_000)), { maxBodyBytes: 1000 }],
    [
      'another protocol asked for',
      'protocol',
      reply('101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade'),
      {},
    ],
  ]
  test.each(cases)('%s: %s', async (_, kind, answer, about) => {
    const server = await wire(answer)
    expect((await troubleOf(ask(server.url, about))).kind).toBe(kind)
  })

  test('bytes that drip for ever end with the time of the whole', async () => {
    const timers: Timer[] = []
    const server = await wire((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n')
      timers.push(setInterval(() => socket.write('x'), 10))
    })
    const trouble = await troubleOf(ask(server.url, { totalMs: 150, idleMs: 100 }))
    timers.forEach(clearInterval)
    expect(trouble.kind).toBe('timeout')
    expect(trouble.message).toContain('its time is over')
  })

  test('nothing listens', async () => {
    const server = await wire(() => undefined)
    await new Promise((resolve) => servers.pop()!.close(resolve))
    expect((await troubleOf(ask(server.url))).kind).toBe('refused')
  })

  test('cancelled by its caller, before and while it runs', async () => {
    const server = await wire(() => controller.abort())
    const controller = new AbortController()
    expect((await troubleOf(ask(server.url, { signal: controller.signal }))).kind).toBe('cancelled')
    expect((await troubleOf(ask(server.url, { signal: AbortSignal.abort() }))).kind).toBe('cancelled')
  })

  test('a cancelled body closes its connection', async () => {
    const closed = Promise.withResolvers<void>()
    const server = await wire((socket) => {
      socket.on('close', () => closed.resolve())
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nhello')
    })
    await (await ask(server.url)).body.cancel()
    await closed.promise
  })
})

describe('names', () => {
  const table: Record<string, readonly string[]> = {
    'dual.example': ['::1', '127.0.0.1'],
    'inside.example': ['8.8.8.8', '127.0.0.1'],
    'metadata.example': ['169.254.169.254'],
    'garbage.example': ['not an address'],
    'first-dead.example': ['127.0.0.9', '127.0.0.1'],
  }
  const resolve = async (name: string) => {
    const found = table[name]
    if (!found) throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND' })
    return found
  }
  const named = clientOf({ resolve })
  const strict = clientOf({ resolve, allowPrivate: false })

  test('are resolved once, connected to by address, and sent as Host', async () => {
    const server = await wire(reply('200 OK\r\nContent-Length: 0'))
    const answer = await ask(`http://dual.example:${server.port}/`, { family: 4 }, named)
    expect(answer.address).toBe('127.0.0.1')
    expect(server.asked[0]).toContain(`host: dual.example:${server.port}\r\n`)
  })

  test('a second address is tried when nothing listens on the first', async () => {
    const server = await wire(reply('200 OK\r\nContent-Length: 0'))
    expect((await ask(`http://first-dead.example:${server.port}/`, {}, named)).address).toBe('127.0.0.1')
  })

  test.each([
    ['one private address among public ones', 'http://inside.example/', strict, 'guard'],
    ['a metadata address, even where private ones are allowed', 'http://metadata.example/', named, 'guard'],
    ['no such name', 'http://nobody.example/', named, 'name'],
    ['a resolver that talks nonsense', 'http://garbage.example/', named, 'name'],
    ['a literal private address', 'http://127.0.0.1:8080/', strict, 'guard'],
  ] as const)('%s', async (_, url, by, kind) => {
    expect((await troubleOf(ask(url, {}, by))).kind).toBe(kind)
  })

  test('a family that a name lacks is a miss of the name', async () => {
    expect((await troubleOf(ask('http://first-dead.example/', { family: 6 }, named))).kind).toBe('name')
  })

  test('a resolver that never answers is given up', async () => {
    const stuck = clientOf({ resolve: () => new Promise(() => undefined) })
    expect((await troubleOf(ask('http://slow.example/', { totalMs: 50 }, stuck))).kind).toBe('timeout')
  })
})

describe('redirects', () => {
  test('are the answer unless asked to be followed', async () => {
    const server = await wire(reply('302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0'))
    const answer = await ask(server.url)
    expect(answer.status).toBe(302)
    expect(answer.header('location')).toBe('/elsewhere')
  })

  test('are followed as often as allowed, without credentials to another origin', async () => {
    const last = await wire(reply('200 OK\r\nContent-Length: 4', 'done'))
    const first = await wire(reply(`307 Temporary Redirect\r\nLocation: ${last.url}/x\r\nContent-Length: 0`))
    const answer = await ask(first.url, { redirects: 1, headers: { authorization: 'Bearer t', 'x-b': 'c' } })
    expect(answer.url).toBe(`${last.url}/x`)
    expect(Buffer.from(await readAll(answer.body)).toString()).toBe('done')
    expect(first.asked[0]).toContain('authorization')
    expect(last.asked[0]).not.toContain('authorization')
    expect(last.asked[0]).toContain('x-b: c')
  })

  test.each([
    ['a loop', 'redirects', '/'],
    ['credentials', 'guard', 'http://user:secret@127.0.0.1/'],
    ['a metadata address', 'guard', 'http://169.254.169.254/latest/'],
    ['another scheme', 'guard', 'file:///etc/passwd'],
    ['nonsense', 'protocol', 'http://['],
  ] as const)('%s: %s', async (_, kind, location) => {
    const server = await wire(reply(`302 Found\r\nLocation: ${location}\r\nContent-Length: 0`))
    expect((await troubleOf(ask(server.url, { redirects: 3 }))).kind).toBe(kind)
  })
})
