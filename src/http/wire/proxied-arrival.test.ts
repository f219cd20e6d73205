// PROXY headers at a real listener: who is believed, in whatever pieces the bytes come.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Ask } from '#http/answer.ts'
import type { Listener } from '#http/listener.ts'
import { openWire } from '../../../test/kit/wire.ts'
import type { WireOptions } from './acceptor.ts'
import { listenWire } from './listen-wire.ts'

const told = ({ peer, isTls, path }: Ask) => ({ status: 200, headers: {}, body: `${path} ${peer} ${isTls}` })
const request = 'GET /a HTTP/1.1\r\nHost: x\r\n\r\n'
const line = 'PROXY TCP4 198.51.100.7 192.0.2.1 40000 443\r\n'
const binary = Buffer.concat([
  Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'),
  Buffer.from(`21110014c6336407c00002019c4001bb20000501${'00000000'}`, 'hex'),
])
const local = Buffer.concat([Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'), Buffer.from('20000000', 'hex')])

const logged: string[] = []
const open = (more: Partial<WireOptions>) =>
  listenWire(told, {
    host: '127.0.0.1',
    port: 0,
    isTrustedProxy: (peer) => peer === '127.0.0.1',
    log: (error) => void logged.push((error as Error).message),
    ...more,
  })
const listeners: Record<'off' | 'on' | 'optional' | 'others', Listener> = {
  off: open({ proxyProtocol: 'off' }),
  on: open({ proxyProtocol: 'on' }),
  optional: open({ proxyProtocol: 'optional' }),
  others: open({ proxyProtocol: 'on', isTrustedProxy: (peer) => peer === '10.0.0.1' }),
}
afterAll(async () => {
  for (const listener of Object.values(listeners)) await listener.stop(0)
})

const join = (...parts: (string | Uint8Array)[]) => Buffer.concat(parts.map((part) => Buffer.from(part as string)))

async function answered(name: keyof typeof listeners, bytes: string | Uint8Array): Promise<string> {
  await using wire = await openWire({ port: listeners[name].port })
  await wire.send(bytes)
  const { status, body } = await wire.receive()
  return `${status} ${body}`
}

describe('a trusted proxy', () => {
  test.each<[string, 'off' | 'on' | 'optional', string | Uint8Array, RegExp]>([
    ['says so in a line', 'on', join(line, request), /^200 \/a 198\.51\.100\.7 false$/],
    ['says so in bytes, and that TLS was before it', 'on', join(binary, request), /^200 \/a 198\.51\.100\.7 true$/],
    ['asks for itself', 'on', join(local, request), /^200 \/a 127\.0\.0\.1 false$/],
    ['does not know', 'on', join('PROXY UNKNOWN\r\n', request), /^200 \/a 127\.0\.0\.1 false$/],
    ['must', 'on', request, /^400 .*must begin with a PROXY header/],
    ['must even before an empty line', 'on', join('\r\n', request), /^400 .*must begin with a PROXY header/],
    ['may', 'optional', join(line, request), /^200 \/a 198\.51\.100\.7 false$/],
    ['need not', 'optional', request, /^200 \/a 127\.0\.0\.1 false$/],
    ['need not, and may begin with an empty line', 'optional', join('\r\n', request), /^200 \/a 127\.0\.0\.1 false$/],
    ['may not twice', 'on', join(line, line, request), /^400 /],
    ['may not twice, in both ways', 'on', join(binary, line, request), /^400 /],
    ['is told what is wrong', 'optional', join('PROXY TCP4 x\r\n', request), /^400 .*addresses are not of TCP4/],
    ['may not where it is off', 'off', join(line, request), /^400 /],
    ['may not in bytes where it is off', 'off', join(binary, request), /^400 /],
  ])('%s (%s)', async (_, name, bytes, expected) => {
    expect(await answered(name, bytes)).toMatch(expected)
  })

  test.each([
    ['line', join(line, request)],
    ['bytes', join(binary, request)],
    ['no header', Buffer.from(request)],
  ])('by %s, cut at every byte and byte by byte', async (name, bytes) => {
    const whole = await answered('optional', bytes)
    const wires = await Promise.all(
      Array.from({ length: bytes.length + 1 }, () => openWire({ port: listeners.optional.port })),
    )
    await Promise.all(
      wires.map(async (wire, cut) => {
        const pieces =
          cut === bytes.length
            ? Array.from(bytes, (byte) => Buffer.from([byte]))
            : [bytes.subarray(0, cut), bytes.subarray(cut)]
        for (const piece of pieces) await wire.send(piece)
        const { status, body } = await wire.receive()
        expect(`${name} ${cut} ${status} ${body}`).toBe(`${name} ${cut} ${whole}`)
        await wire[Symbol.asyncDispose]()
      }),
    )
  })

  test('keeps its client for all requests of the connection', async () => {
    await using wire = await openWire({ port: listeners.on.port })
    await wire.send(join(line, request, request))
    for (const _ of [1, 2]) expect((await wire.receive()).body.toString()).toBe('/a 198.51.100.7 false')
    await wire.send(request)
    expect((await wire.receive()).body.toString()).toBe('/a 198.51.100.7 false')
  })
})

describe('anybody else', () => {
  test('is who it is', async () => {
    expect(await answered('others', request)).toBe('200 /a 127.0.0.1 false')
  })

  test.each([
    ['in a line', join(line, request)],
    ['in bytes', join(binary, request)],
  ])('may not say who it is, %s', async (_, bytes) => {
    expect(await answered('others', bytes)).toMatch(/^400 /)
  })
})

describe('what never becomes a request', () => {
  const short = { headerTimeoutMs: 100, lingerMs: 100 }
  let listener: Listener
  beforeAll(() => {
    listener = open({ proxyProtocol: 'on', limits: short })
  })
  afterAll(() => listener.stop(0))

  test.each([
    ['nothing', ''],
    ['half a line', line.slice(0, 20)],
    ['half of the bytes', binary.subarray(0, 20)],
    ['a refused header, and a client that stays', 'nonsense'],
  ])('%s is closed', async (_, bytes) => {
    const wire = await openWire({ port: listener.port })
    await wire.send(bytes)
    await wire.ended
  })

  test('is told to the operator, once', () => {
    expect(logged.filter((one) => one.includes('a connection of the proxy 127.0.0.1 was refused')).length).toBe(3)
  })

  test('a stop does not wait for it', async () => {
    const own = open({ proxyProtocol: 'on' })
    await using wire = await openWire({ port: own.port })
    await wire.send('PROXY TCP4')
    await own.stop(20_000)
    expect((await wire.ended).length).toBe(0)
  })
})

test('with TLS it is refused at once', () => {
  expect(() => open({ proxyProtocol: 'on', tls: { cert: 'a', key: 'b' } })).toThrow(/before TLS/)
})
