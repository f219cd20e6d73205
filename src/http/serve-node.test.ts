import { describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeAuthority } from '../../test/kit/certificate-authority.ts'
import { waitUntil } from '../../test/kit/wait-until.ts'
import type { Answer, StoredBody } from './answer.ts'
import type { Handler, Listener } from './listener.ts'
import { listenNode } from './serve-node.ts'

const serve = async (handler: Handler, log: (error: unknown) => void = () => {}) =>
  await listenNode(handler, { host: '127.0.0.1', port: 0, stallMs: 5000, log })

/** Sends bytes as they are; gives everything that came until the server ended the connection. */
function send({ port }: Listener, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1', () => socket.write(text))
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
  })
}

const get = 'GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

test('a request that comes before the answer to the last one is not served', async () => {
  const paths: string[] = []
  const listener = await serve(async (ask) => {
    paths.push(ask.path)
    await new Promise((resolve) => setImmediate(resolve))
    return { status: 200, headers: {}, body: 'only this' }
  })
  const first = 'POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi'
  const answer = await send(listener, `${first}${get}`)
  expect(answer.match(/HTTP\/1.1/g)).toHaveLength(1)
  expect(answer).toEndWith('only this')
  expect(paths).toEqual(['/first'])
  await listener.stop(0)
})

describe('answers', () => {
  const cases: [string, Answer, string, string][] = [
    ['text', { status: 200, headers: { 'x-a': 'b' }, body: 'hällo' }, 'content-length: 6', 'hÃ¤llo'],
    ['bytes', { status: 200, headers: {}, body: Buffer.from('abc') }, 'content-length: 3', 'abc'],
    ['none', { status: 201, headers: {} }, 'content-length: 0', ''],
    ['several lines of one header', { status: 200, headers: { 'x-tag': ['a', 'b'] } }, 'x-tag: a\r\nx-tag: b', ''],
  ]
  test.each(cases)('%s', async (_, answer, header, body) => {
    const listener = await serve(() => answer)
    const [head = '', rest] = (await send(listener, get)).split('\r\n\r\n')
    expect(head.toLowerCase()).toContain(header)
    expect(rest).toBe(body)
    await listener.stop(0)
  })

  test('a stored body is sent from its place, and closed before the client may ask again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'flotilla-serve-'))
    const path = join(folder, 'file')
    writeFileSync(path, Buffer.alloc(3 << 20, 'x'))
    let closed = 0
    const body = (first: number, sizeBytes: number): StoredBody => ({
      sizeBytes,
      file: { path, first },
      stream: () => new Blob([]).stream(),
      [Symbol.asyncDispose]: async () => void closed++,
    })
    const listener = await serve(() => ({ status: 200, headers: {}, body: body(100, 2_500_000) }))
    for (const times of [1, 2, 3]) {
      const answer = await fetch(`http://127.0.0.1:${listener.port}/x`)
      expect((await answer.text()) === 'x'.repeat(2_500_000)).toBe(true)
      expect(closed).toBe(times)
    }
    await send(listener, get.replace('GET', 'HEAD'))
    expect(closed).toBe(4)
    rmSync(folder, { recursive: true })
    await listener.stop(0)
  })

  test('an error of ours is logged and told as 500 without a detail of it', async () => {
    const logged: unknown[] = []
    const error = new Error('the database password is 1234')
    const listener = await serve(
      () => {
        throw error
      },
      (one) => logged.push(one),
    )
    const answer = await send(listener, get)
    expect(answer).toStartWith('HTTP/1.1 500 ')
    expect(answer).not.toContain('1234')
    expect(logged).toEqual([error])
    await listener.stop(0)
  })

  test('a file that is shorter than was promised cuts the connection', async () => {
    const logged: unknown[] = []
    const body: StoredBody = {
      sizeBytes: 10,
      file: { path: '/dev/null', first: 0 },
      stream: () => new Blob([]).stream(),
      [Symbol.asyncDispose]: async () => {},
    }
    const listener = await serve(
      () => ({ status: 200, headers: {}, body }),
      (one) => logged.push(one),
    )
    expect(await send(listener, get)).not.toContain('\r\n\r\nx')
    expect(String(logged[0])).toContain('ended 10 bytes early')
    await listener.stop(0)
  })
})

test('stop lets a running request end and takes no other', async () => {
  const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>()
  const { promise: hasBegun, resolve: begin } = Promise.withResolvers<void>()
  const listener = await serve(async () => {
    begin()
    await mayEnd
    return { status: 200, headers: {}, body: 'done' }
  })
  const running = send(listener, get)
  await hasBegun
  const stopped = listener.stop(10_000)
  await expect(send(listener, get)).rejects.toThrow()
  end()
  expect(await running).toEndWith('done')
  await stopped
})

test('stop ends idle connections at once, and a busy one with its answer', async () => {
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>()
  const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>()
  const { promise: hasBegun, resolve: begin } = Promise.withResolvers<void>()
  const listener = await serve(async (ask) => {
    if (ask.path !== '/slow') {
      answer()
      return { status: 200, headers: {} }
    }
    begin()
    await mayEnd
    return { status: 200, headers: {}, body: 'done' }
  })
  const keptAlive = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
  const idle = send(listener, keptAlive('/fast'))
  await answered
  const busy = send(listener, keptAlive('/slow'))
  await hasBegun
  // An hour of grace: nothing here may wait for its end.
  const stopped = listener.stop(3_600_000)
  expect(await idle).toStartWith('HTTP/1.1 200 ')
  end()
  const last = await busy
  expect(last.toLowerCase()).toContain('connection: close')
  expect(last).toEndWith('done')
  await stopped
})

test('stop ends what takes longer than the grace', async () => {
  const { promise: hasBegun, resolve: begin } = Promise.withResolvers<void>()
  const listener = await serve(() => {
    begin()
    return new Promise<never>(() => {})
  })
  const running = send(listener, get).catch(() => '')
  await hasBegun
  await listener.stop(1)
  expect(await running).toBe('')
})

test('a new certificate takes over while a request runs under the old one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-tls-'))
  const [old, next] = [await makeAuthority(join(folder, 'old')), await makeAuthority(join(folder, 'next'))]
  const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>()
  const { promise: hasBegun, resolve: begin } = Promise.withResolvers<void>()
  const listener = await listenNode(
    async (ask) => {
      if (ask.path === '/slow') {
        begin()
        await mayEnd
      }
      return { status: 200, headers: {}, body: `${ask.isTls}` }
    },
    { host: '127.0.0.1', port: 0, tls: old, stallMs: 5000, log: () => {} },
  )
  const url = `https://127.0.0.1:${listener.port}`
  const trusting = ({ bundle }: typeof old) => ({ tls: { ca: readFileSync(bundle, 'utf8') }, keepalive: false })
  const running = fetch(`${url}/slow`, trusting(old))
  await hasBegun
  const replaced = listener.replaceCertificate(next)
  await waitUntil(async () => (await fetch(url, trusting(next))).ok, { what: 'the new certificate is shown' })
  end()
  expect(await (await running).text()).toBe('true')
  await replaced
  for (let round = 0; round < 5; round++) expect((await fetch(url, trusting(next))).status).toBe(200)
  await listener.stop(0)
  rmSync(folder, { recursive: true })
})
