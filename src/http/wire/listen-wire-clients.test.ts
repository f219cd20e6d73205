// The same listener before real clients, in clear and over TLS, and through the change of a certificate.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect as connectPlain } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { promisify } from 'node:util'
import type { Answer, Ask } from '#http/answer.ts'
import type { TlsFiles } from '#http/listener.ts'
import { waitUntil } from '../../../test/kit/wait-until.ts'
import { listenWire } from './listen-wire.ts'

const run = promisify(execFile)
const host = '127.0.0.1'
const bigBytes = 5_000_001
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wire-clients-'))
  await writeFile(join(folder, 'big'), Buffer.alloc(bigBytes, '0123456789'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

function handler(ask: Ask): Answer {
  if (ask.path === '/away') return { status: 307, headers: { location: '/big' } }
  if (ask.path !== '/big') return { status: 200, headers: {}, body: `${ask.isTls} ${ask.header('user-agent')}` }
  const file = { path: join(folder, 'big'), first: 0 }
  const body = {
    sizeBytes: bigBytes,
    file,
    stream: () => new ReadableStream(),
    [Symbol.asyncDispose]: async () => undefined,
  }
  return { status: 200, headers: {}, body }
}

async function certificate(name: string): Promise<TlsFiles> {
  const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)]
  const about = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=IP:${host}`, '-days', '1']
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await run('openssl', ['req', '-x509', ...ec, '-keyout', key, '-out', cert, ...about])
  return { key, cert }
}

const nameServed = (port: number) =>
  new Promise<string>((resolve, reject) => {
    const socket = connect({ host, port, rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN))
      socket.destroy()
    })
    socket.on('error', reject)
  })

test('curl follows a redirect to a large file and uses one connection for all', async () => {
  const listener = listenWire(handler, { host, port: 0, log: console.error })
  const base = `http://${host}:${listener.port}`
  const out = join(folder, 'out')
  const format = '%{http_code} %{size_download} %{num_connects};'
  const { stdout } = await run('curl', [
    '-sSL',
    '-w',
    format,
    '-o',
    out,
    `${base}/away`,
    '-o',
    join(folder, 'small'),
    base,
  ])
  expect(stdout).toStartWith(`200 ${bigBytes} 1;200 `)
  expect(stdout).toEndWith(' 0;')
  await run('cmp', [out, join(folder, 'big')])
  const head = await run('curl', ['-sSI', `${base}/big`])
  expect(head.stdout).toContain(`content-length: ${bigBytes}\r\n`)
  await listener.stop(0)
})

test('wrk meets no error on many connections', async () => {
  const listener = listenWire(handler, { host, port: 0, log: console.error })
  const { stdout } = await run('wrk', ['-t1', '-c50', '-d1s', `http://${host}:${listener.port}/`])
  expect(stdout).toMatch(/\d+ requests in/)
  expect(stdout).not.toMatch(/Socket errors|Non-2xx/)
  await listener.stop(0)
})

test('TLS: curl checks the certificate, and a new certificate replaces it while an old connection ends in peace', async () => {
  const [first, second] = [await certificate('first'), await certificate('second')]
  const listener = listenWire(handler, { host, port: 0, tls: first, log: console.error })
  const url = `https://${host}:${listener.port}/big`
  const { stdout } = await run('curl', [
    '-sS',
    '--cacert',
    first.cert,
    '-o',
    join(folder, 'tls'),
    '-w',
    '%{size_download}',
    url,
  ])
  expect(stdout).toBe(String(bigBytes))
  await run('cmp', [join(folder, 'tls'), join(folder, 'big')])
  expect(await nameServed(listener.port)).toBe('first')

  const old = connect({ host, port: listener.port, rejectUnauthorized: false })
  let text = ''
  old.on('data', (chunk) => {
    text += chunk
  })
  await new Promise((resolve) => old.once('secureConnect', resolve))
  old.write('GET / HTTP/1.1\r\nHost: x\r\n')
  const replaced = listener.replaceCertificate(second)
  while ((await nameServed(listener.port)) !== 'second') await new Promise((resolve) => setImmediate(resolve))
  old.write('\r\n')
  await new Promise((resolve) => old.once('close', resolve))
  expect(text).toContain('connection: close\r\n')
  expect(text).toEndWith('true undefined')
  await replaced
  await run('curl', ['-sS', '--cacert', second.cert, '-o', join(folder, 'tls'), url])
  await listener.stop(0)
})

test('TLS: garbage and a silent client do not disturb others', async () => {
  const tls = await certificate('third')
  const listener = listenWire(handler, { host, port: 0, tls, log: console.error, limits: { headerTimeoutMs: 100 } })
  const plain = await run('curl', ['-sS', '-m', '5', `http://${host}:${listener.port}/`]).catch((error) => error)
  expect(plain.code).toBeGreaterThan(0)
  const { stdout } = await run('curl', ['-sSk', `https://${host}:${listener.port}/`])
  expect(stdout).toStartWith('true curl/')
  await listener.stop(0)
})

test('TLS: a client that never ends its handshake is counted, and closed in time', async () => {
  const tls = await certificate('silent')
  const limits = { headerTimeoutMs: 1000, lingerMs: 100, maxConnectionsPerClient: 2 }
  const listener = listenWire(handler, { host, port: 0, tls, limits, log: () => undefined })
  const silent = ['', '\x16\x03\x01\x02'].map((bytes) => {
    const socket = connectPlain(listener.port, host)
    socket.on('error', () => undefined)
    socket.resume()
    socket.write(Buffer.from(bytes, 'latin1'))
    return new Promise<void>((resolve) => socket.once('close', resolve))
  })
  // Their network has its share, so nobody else of it comes in until they are gone.
  await waitUntil(
    () =>
      nameServed(listener.port).then(
        () => false,
        () => true,
      ),
    { what: 'a network that has its share' },
  )
  await Promise.all(silent)
  await waitUntil(async () => (await nameServed(listener.port)) === 'silent', { what: 'room again' })
  await listener.stop(0)
})
