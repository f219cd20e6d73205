// HTTP by the byte: where one request ends and the next begins, and what a client may cost.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readdirSync, readlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { waitUntil } from '../kit/wait-until.ts'
import { openWire, type WireAnswer, type WireConnection } from '../kit/wire.ts'
import { emptyConfig, makeImage, pushBlob, pushImage, randomBlob, startUpload, types, withQuery } from './content.ts'
import { expectError } from './expect-error.ts'
import { type Client, type Registry, startRegistry, traces } from './registry.ts'

let registry: Registry
let client: Client
const name = 'wire/here'

beforeAll(async () => {
  registry = await startRegistry({ FLOTILLA_STALL: '2s' })
  client = registry.builder
  await pushBlob(client, name, emptyConfig)
})
afterAll(async () => await registry[Symbol.asyncDispose]())

const head = (line: string, ...headers: string[]) =>
  [`${line} HTTP/1.1`, 'Host: registry', `Authorization: ${client.basic}`, ...headers, '', ''].join('\r\n')

const toAnswer = (answer: WireAnswer) => ({
  status: answer.status,
  headers: new Headers({ 'content-type': answer.header('content-type') ?? '' }),
  text: answer.body.toString(),
})

/** Sends the bytes, reads one answer, and makes sure that the connection ends without another. */
async function onlyAnswer(...pieces: (string | Uint8Array)[]): Promise<WireAnswer> {
  await using wire = await openWire(registry)
  await wire.send(Buffer.concat(pieces.map((piece) => Buffer.from(piece as string))))
  const answer = await wire.receive()
  expect((await wire.ended).toString()).toBe('')
  return answer
}

describe('surplus bytes after a body', () => {
  const surplus: [string, (location: string) => string][] = [
    ['that are no request', () => 'and more of it\r\n\r\n'],
    ['that are a request to drop the upload', (location) => head(`DELETE ${location}`)],
    [
      'that are a request to end the upload',
      (location) => head(`PUT ${withQuery(location, { digest: randomBlob(1).digest })}`),
    ],
    ['that are many requests', (location) => head(`DELETE ${location}`).repeat(50)],
  ]
  test.each(surplus)('%s: the first answer stands, the connection ends, nothing else runs', async (_, more) => {
    const location = await startUpload(client, name)
    const answer = await onlyAnswer(head(`PATCH ${location}`, 'Content-Length: 5'), 'hello', more(location))
    expect([answer.status, answer.header('range'), answer.header('connection')]).toEqual([202, '0-4', 'close'])
    expect((await client.ask('GET', location)).headers.get('range')).toBe('0-4')
  })

  test('after a chunked body', async () => {
    const location = await startUpload(client, name)
    const request = head(`PATCH ${location}`, 'Transfer-Encoding: chunked')
    const answer = await onlyAnswer(request, '5\r\nhello\r\n0\r\n\r\n', head(`DELETE ${location}`))
    expect(answer.status).toBe(202)
    expect((await client.ask('GET', location)).headers.get('range')).toBe('0-4')
  })

  test('after a manifest', async () => {
    const { manifest, blobs } = makeImage()
    for (const blob of blobs) await pushBlob(client, name, blob)
    const request = head(
      `PUT /v2/${name}/manifests/surplus`,
      `Content-Type: ${types.manifest}`,
      `Content-Length: ${manifest.bytes.length}`,
    )
    const answer = await onlyAnswer(
      request,
      manifest.bytes,
      head(`PUT /v2/${name}/manifests/never`, 'Content-Length: 0'),
    )
    expect(answer.status).toBe(201)
    expect((await client.ask('HEAD', `/v2/${name}/manifests/surplus`)).status).toBe(200)
    expect((await client.ask('HEAD', `/v2/${name}/manifests/never`)).status).toBe(404)
  })

  test('after a request that is refused', async () => {
    const location = await startUpload(client, name)
    const answer = await onlyAnswer(
      head(`PATCH ${location}`, 'Content-Range: 5-9', 'Content-Length: 5'),
      'hello',
      head(`DELETE ${location}`),
    )
    expect(answer.status).toBe(416)
    expect((await client.ask('GET', location)).status).toBe(204)
  })
})

describe('a request that two parsers could read differently is refused, and the connection ends', () => {
  const framings: [string, string[], string, number][] = [
    ['Content-Length and Transfer-Encoding', ['Content-Length: 5', 'Transfer-Encoding: chunked'], '0\r\n\r\n', 400],
    ['two Content-Lengths', ['Content-Length: 5', 'Content-Length: 6'], 'hello!', 400],
    ['the same Content-Length twice', ['Content-Length: 5', 'Content-Length: 5'], 'hello', 400],
    ['a list of Content-Lengths', ['Content-Length: 5, 5'], 'hello', 400],
    ['a signed Content-Length', ['Content-Length: +5'], 'hello', 400],
    ['a negative Content-Length', ['Content-Length: -5'], 'hello', 400],
    ['a Content-Length in hexadecimal', ['Content-Length: 0x5'], 'hello', 400],
    ['a Content-Length of thirty digits', [`Content-Length: ${'9'.repeat(30)}`], 'hello', 400],
    ['two Transfer-Encodings', ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], '0\r\n\r\n', 400],
    ['an unknown Transfer-Encoding', ['Transfer-Encoding: xchunked'], '0\r\n\r\n', 501],
    ['a second Transfer-Encoding before chunked', ['Transfer-Encoding: gzip, chunked'], '0\r\n\r\n', 501],
    ['a Transfer-Encoding behind chunked', ['Transfer-Encoding: chunked, identity'], '0\r\n\r\n', 400],
    ['white space before a colon', ['Transfer-Encoding : chunked'], '0\r\n\r\n', 400],
    ['a folded header', ['X-A: b', ' c: d', 'Content-Length: 0'], '', 400],
    ['a control character in a header', ['X-A: b\0c', 'Content-Length: 0'], '', 400],
    ['a bare line feed in a header', ['X-A: b\nContent-Length: 0'], '', 400],
    ['two Hosts', ['Host: other', 'Content-Length: 0'], '', 400],
    ['two Authorizations', ['Authorization: Basic eDp5', 'Content-Length: 0'], '', 400],
    ['two Content-Ranges', ['Content-Range: 0-4', 'Content-Range: 5-9', 'Content-Length: 5'], 'hello', 400],
    ['a chunk size that is none', ['Transfer-Encoding: chunked'], 'zz\r\nhello\r\n0\r\n\r\n', 400],
    ['a chunk size of twenty digits', ['Transfer-Encoding: chunked'], `${'f'.repeat(20)}\r\nhello`, 400],
    ['a chunk longer than its size', ['Transfer-Encoding: chunked'], '2\r\nhello\r\n0\r\n\r\n', 400],
  ]
  test.each(framings)('%s', async (_, headers, body, status) => {
    const location = await startUpload(client, name)
    const smuggled = head(`DELETE ${location}`)
    const answer = await onlyAnswer(head(`PATCH ${location}`, ...headers), body, smuggled)
    expectError(toAnswer(answer), status, status === 501 ? 'UNSUPPORTED' : 'REQUEST_INVALID')
    expect(answer.header('connection')).toBe('close')
    expect(Date.parse(answer.header('date') ?? '')).toBeGreaterThan(0)
    expect((await client.ask('GET', location)).status).toBe(204)
    await client.ask('DELETE', location)
  })

  const lines: [string, string][] = [
    ['no Host', `GET /v2/ HTTP/1.1\r\n\r\n`],
    ['line feeds alone', `GET /v2/ HTTP/1.1\nHost: a\n\n`],
    ['an unknown method', `FETCH /v2/ HTTP/1.1\r\nHost: a\r\n\r\n`],
    ['an unknown version', `GET /v2/ HTTP/2.0\r\nHost: a\r\n\r\n`],
    ['Transfer-Encoding in HTTP/1.0', `POST /v2/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ]
  test.each(lines)('%s', async (_, bytes) => {
    const answer = await onlyAnswer(Buffer.from(bytes, 'latin1'))
    expect([answer.status, answer.header('connection')?.toLowerCase()]).toEqual([400, 'close'])
  })

  test.each([
    ['a header of 100 kB', [`X-A: ${'a'.repeat(100_000)}`]],
    ['5,000 headers', Array.from({ length: 5000 }, (_, at) => `X-${at}: b`)],
  ])('%s is 431', async (_, headers) => {
    expectError(toAnswer(await onlyAnswer(head('GET /v2/', ...headers))), 431, 'REQUEST_INVALID')
  })
})

describe('headers that answers carry', () => {
  test('one OCI-Tag line for each tag', async () => {
    const { manifest, blobs } = makeImage()
    for (const blob of blobs) await pushBlob(client, name, blob)
    await using wire = await openWire(registry)
    await wire.send(
      head(
        `PUT /v2/${name}/manifests/${manifest.digest}?tag=one&tag=two&tag=three`,
        `Content-Type: ${types.manifest}`,
        `Content-Length: ${manifest.bytes.length}`,
      ),
    )
    await wire.send(manifest.bytes)
    const answer = await wire.receive()
    expect([answer.status, answer.headers('oci-tag')]).toEqual([201, ['one', 'two', 'three']])
  })

  const injections = ['%0d%0aX-Injected:%20yes', '%0aX-Injected:yes', '%00', '"><script>', "'", '%E2%80%A8']
  test.each(injections)('nothing of a query reaches them: %s', async (text) => {
    for (const line of [
      `GET /v2/${name}/tags/list?n=1&last=${text}`,
      `GET /v2/_catalog?n=1&last=${text}`,
      `GET /v2/${name}/referrers/${emptyConfig.digest}?artifactType=${text}&n=1`,
      `POST /v2/${name}/blobs/uploads/?mount=${emptyConfig.digest}&from=${text}`,
      `GET /token?service=${text}&scope=repository:${text}:pull&account=${text}`,
    ]) {
      await using wire = await openWire(registry)
      await wire.send(head(line, 'Content-Length: 0'))
      const answer = await wire.receive()
      expect(answer.head.toLowerCase()).not.toContain('injected')
      expect(answer.head).not.toContain('<script>')
      expect(answer.status).toBeLessThan(500)
    }
  })

  test('304 and 204 have no length', async () => {
    const image = makeImage()
    await pushImage(client, name, 'headers', image)
    await using wire = await openWire(registry)
    await wire.send(head(`GET /v2/${name}/manifests/headers`, `If-None-Match: "${image.manifest.digest}"`))
    const notModified = await wire.receive()
    expect([notModified.status, notModified.header('content-length')]).toEqual([304, undefined])
    const location = await startUpload(client, name)
    await wire.send(head(`GET ${location}`))
    const noContent = await wire.receive()
    expect([noContent.status, noContent.header('content-length')]).toEqual([204, undefined])
  })
})

describe('requests on one connection', () => {
  test('follow each other, with bodies of both kinds', async () => {
    const location = await startUpload(client, name)
    await using wire = await openWire(registry)
    for (let round = 1; round <= 5; round++) {
      await wire.send(head(`PATCH ${location}`, 'Content-Length: 5'))
      await wire.send('hello')
      expect((await wire.receive()).header('range')).toBe(`0-${round * 10 - 6}`)
      await wire.send(head(`PATCH ${location}`, 'Transfer-Encoding: chunked'))
      await wire.send('5\r\nhello\r\n0\r\n\r\n')
      expect((await wire.receive()).header('range')).toBe(`0-${round * 10 - 1}`)
      await wire.send(head(`GET /v2/${name}/blobs/${emptyConfig.digest}`))
      expect((await wire.receive()).body.toString()).toBe('{}')
      await wire.send(head(`HEAD /v2/${name}/blobs/${emptyConfig.digest}`))
      expect((await wire.receive('HEAD')).header('content-length')).toBe('2')
    }
  })

  test('a body that nobody wants is not waited for', async () => {
    const request = `PATCH /v2/${name}/blobs/uploads/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n`
    await using wire = await openWire(registry)
    await wire.send(request)
    await wire.send(Buffer.alloc(100_000))
    const answer = await wire.receive()
    expect([answer.status, answer.header('connection')]).toEqual([401, 'close'])
    await wire.ended
  })

  test('Expect: 100-continue is answered', async () => {
    const location = await startUpload(client, name)
    await using wire = await openWire(registry)
    await wire.send(head(`PATCH ${location}`, 'Expect: 100-continue', 'Content-Length: 5'))
    expect((await wire.receive()).status).toBe(100)
    await wire.send('hello')
    expect((await wire.receive()).status).toBe(202)
  })
})

describe('slow clients', () => {
  test('that bring no head, or half of one, or one that trickles, are cut off at the same time', async () => {
    const silent = ['', 'GET /v2', 'GET /v2/ HTTP/1.1\r\nHost: a\r\nX-Slow: '].map(async (bytes) => {
      await using wire = await openWire(registry)
      await wire.send(bytes)
      return (await wire.ended).toString()
    })
    for (const answer of await Promise.all([...silent, trickle()])) expect(answer).toMatch(/^(HTTP\/1\.1 408 |$)/)
  })

  /** A byte now and then, until the connection ends. */
  async function trickle(): Promise<string> {
    await using wire = await openWire(registry)
    await wire.send('GET /v2/ HTTP/1.1\r\nHost: a\r\n')
    const timer = setInterval(() => void wire.send('X-A: b\r\n'), 100)
    const answer = (await wire.ended).toString()
    clearInterval(timer)
    return answer
  }

  test('a body that stops coming is 408; what came is kept', async () => {
    const location = await startUpload(client, name)
    const answer = await onlyAnswer(head(`PATCH ${location}`, 'Content-Length: 1000'), Buffer.alloc(100))
    expectError(toAnswer(answer), 408, 'SIZE_INVALID')
    expect((await client.ask('GET', location)).headers.get('range')).toBe('0-99')
  })

  test('a manifest that stops coming leaves nothing', async () => {
    const before = traces(registry)
    const request = head(`PUT /v2/${name}/manifests/slow`, `Content-Type: ${types.manifest}`, 'Content-Length: 1000')
    expectError(toAnswer(await onlyAnswer(request, Buffer.alloc(100))), 408, 'SIZE_INVALID')
    expect(traces(registry)).toEqual(before)
  })

  test('a single POST that stops coming leaves nothing', async () => {
    const before = traces(registry)
    const request = head(`POST /v2/${name}/blobs/uploads/?digest=${randomBlob(1).digest}`, 'Content-Length: 1000')
    expectError(toAnswer(await onlyAnswer(request, Buffer.alloc(100))), 408, 'SIZE_INVALID')
    expect(traces(registry)).toEqual(before)
  })

  test('one that does not take its answer is let go', async () => {
    const large = randomBlob(40_000_000)
    await pushBlob(client, name, large)
    const isBeingSent = () => openFiles().some((path) => path.includes(large.digest.slice(7)))
    const socket = connect(registry.port, '127.0.0.1')
    try {
      socket.pause()
      socket.write(head(`GET /v2/${name}/blobs/${large.digest}`))
      await waitUntil(isBeingSent, { what: 'the answer begins' })
      await waitUntil(() => !isBeingSent(), { what: 'the answer is given up' })
    } finally {
      socket.destroy()
    }
    expect((await client.ask('GET', '/v2/')).status).toBe(200)
  })

  const openFiles = () => {
    const folder = `/proc/${registry.flotilla.process.pid}/fd`
    return readdirSync(folder).flatMap((name) => {
      try {
        return [readlinkSync(`${folder}/${name}`)]
      } catch {
        return [] // closed meanwhile
      }
    })
  }
})

describe('a connection that breaks', () => {
  const breaks: [string, (wire: WireConnection) => void][] = [
    ['by a reset', (wire) => wire.reset()],
    ['by its end', (wire) => wire.finish()],
  ]
  test.each(breaks)('%s in the middle of a body: what came is kept, the upload goes on', async (_, end) => {
    const blob = randomBlob(3_000_000)
    const location = await startUpload(client, name)
    const wire = await openWire(registry)
    await wire.send(head(`PATCH ${location}`, `Content-Length: ${blob.bytes.length}`))
    await wire.send(blob.bytes.subarray(0, 1_500_000))
    await waitUntil(async () => (await offsetOf(location)) > 0, { what: 'bytes have come' })
    end(wire)
    await wire[Symbol.asyncDispose]()
    // The old request may still be about to let go.
    const goOn = async () => {
      const first = await offsetOf(location)
      const body = blob.bytes.subarray(first)
      const headers = { 'content-range': `${first}-${blob.bytes.length - 1}` }
      const answer = await client.ask('PATCH', location, { body, headers })
      return answer.status === 202 && answer
    }
    const rest = await waitUntil(goOn, { what: 'the upload goes on' })
    expect(rest.headers.get('range')).toBe('0-2999999')
    const put = await client.ask('PUT', withQuery(location, { digest: blob.digest }))
    expect(put.status).toBe(201)
    expect((await client.ask('GET', `/v2/${name}/blobs/${blob.digest}`)).bytes.equals(blob.bytes)).toBe(true)
  })

  const offsetOf = async (location: string) => {
    const range = (await client.ask('GET', location)).headers.get('range')!
    return range === '0-0' ? 0 : Number(range.slice(2)) + 1
  }

  test('in the middle of a manifest or a single POST: nothing is left', async () => {
    const before = traces(registry)
    for (const line of [
      `PUT /v2/${name}/manifests/broken`,
      `POST /v2/${name}/blobs/uploads/?digest=${randomBlob(1).digest}`,
    ]) {
      const wire = await openWire(registry)
      await wire.send(head(line, `Content-Type: ${types.manifest}`, 'Content-Length: 100000'))
      await wire.send(Buffer.alloc(50_000))
      wire.reset()
      await wire.ended
    }
    await waitUntil(() => traces(registry).join() === before.join(), { what: 'nothing is left' })
  })
})
