// A source that lies, stalls and floods, byte by byte from a bare socket. Whatever it does, the run ends with a clear error
// and the folder keeps what it had.

import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { blobPath } from '#oci/digest.ts'
import { firstRootPath, timestampPath } from '#snapshots/tree-contents.ts'
import { digestOf, PublishedTree } from '../../../test/kit/published-tree.ts'
import { runReplicate } from '../../../test/kit/run-replicate.ts'

type Reply = (socket: Socket, request: string) => void

const blob = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 11) % 253)
const digest = digestOf(blob)

let root: string
let client: OutboundClient
let tree: PublishedTree
let server: Server
let port: number
let replies: Record<string, Reply>
let asked: string[]
const sockets = new Set<Socket>()

beforeEach(async () => {
  client = new OutboundClient({ allowPrivate: true, userAgent: 'flotilla/test' })
  root = await mkdtemp(join(tmpdir(), 'hostile-'))
  tree = await PublishedTree.make(join(root, 'tree'), join(root, 'keys'))
  await tree.add(blob)
  await tree.publish()
  replies = {}
  asked = []
  server = createServer(serve)
  port = await new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
  )
})
afterEach(async () => {
  await client[Symbol.asyncDispose]()
  for (const socket of sockets) socket.destroy()
  server.close()
  await rm(root, { recursive: true })
})

function serve(socket: Socket): void {
  sockets.add(socket)
  socket.on('error', () => undefined)
  socket.on('close', () => sockets.delete(socket))
  let waiting = ''
  socket.on('data', (chunk) => {
    waiting += chunk.toString('latin1')
    const end = waiting.indexOf('\r\n\r\n')
    if (end < 0) return
    const request = waiting.slice(0, end)
    waiting = ''
    const path = request.split(' ')[1]!.slice(1)
    asked.push(path)
    void (replies[path] ?? honest)(socket, request)
  })
}

async function honest(socket: Socket, request: string): Promise<void> {
  const path = request.split(' ')[1]!.slice(1)
  const bytes = await readFile(join(tree.folder, path)).catch(() => undefined)
  if (!bytes) return void socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n')
  const range = /\r\nrange: bytes=(\d+)-/i.exec(request)
  const first = range ? Number(range[1]) : 0
  const head = range
    ? `206 Partial Content\r\nContent-Range: bytes ${first}-${bytes.length - 1}/${bytes.length}`
    : '200 OK'
  socket.write(`HTTP/1.1 ${head}\r\nContent-Length: ${bytes.length - first}\r\n\r\n`)
  socket.write(bytes.subarray(first))
}

const respond =
  (head: string, body: Uint8Array | string = ''): Reply =>
  (socket) => {
    socket.write(`HTTP/1.1 ${head}\r\n\r\n`)
    socket.end(body)
  }

/** The first half of the blob, and then silence. */
const half: Reply = (socket) => {
  socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n')
  socket.write(blob.subarray(0, 50_000))
}

const whole = (bytes: Uint8Array | string, head = '') =>
  respond(`200 OK\r\nContent-Length: ${bytes.length}${head}`, bytes)

function flood(head: string, chunk: string | Uint8Array): Reply {
  return (socket) => {
    socket.write(head)
    const pour = () => {
      while (!socket.destroyed && socket.write(chunk)) {}
    }
    socket.on('drain', pour)
    pour()
  }
}

function run(name = 'copy', options: { stallMs?: number; tries?: number; stop?: AbortSignal } = {}) {
  const { stop = new AbortController().signal, ...others } = options
  const quick = { minFreeBytes: 0, pauseMs: 1, tries: 2, stallMs: 300, leastBytes: 1000, ...others }
  return runReplicate(client, { ...quick, from: [`http://127.0.0.1:${port}/`], to: join(root, name) }, { stop })
}

test('the honest form of this server is copied from', async () => {
  expect(await run()).toMatchObject({ outcome: 'updated', files: 3 })
})

describe('a blob', () => {
  const path = blobPath(digest)
  const wrong = Uint8Array.from(blob, (byte, i) => (i === 77_777 ? byte ^ 1 : byte))
  const endless = 'HTTP/1.1 200 OK\r\n\r\n'

  const table: [string, Reply, string][] = [
    ['with one wrong bit', whole(wrong), 'other bytes than its digest'],
    ['that is too long by its header', whole(Buffer.concat([blob, blob])), '200000 bytes there instead of 100000'],
    ['that is too short by its header', whole(blob.slice(1)), '99999 bytes there instead of 100000'],
    ['that never ends', flood(endless, blob), 'longer than its 100000 bytes'],
    [
      'that never ends, in chunks',
      flood('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', `4000\r\n${'x'.repeat(0x4000)}\r\n`),
      'longer than its 100000 bytes',
    ],
    ['that is cut off', respond('200 OK\r\nContent-Length: 100000', blob.slice(0, 100)), 'given up after 2 attempts'],
    ['that is cut off where no length was told', respond('200 OK', blob.slice(0, 100)), 'given up after 2 attempts'],
    ['that is not there', respond('404 Not Found\r\nContent-Length: 0'), 'status 404'],
    ['that is hidden', respond('401 Unauthorized\r\nContent-Length: 0'), 'status 401'],
    ['of a broken server', respond('500 Oops\r\nContent-Length: 0'), 'status 500'],
    [
      'in part without being asked',
      respond('206 Partial\r\nContent-Length: 10\r\nContent-Range: bytes 0-9/100000', '0123456789'),
      'status 206',
    ],
    ['that is packed', whole(gzipSync(blob), '\r\nContent-Encoding: gzip'), 'Content-Encoding gzip'],
    [
      'redirected elsewhere',
      respond('307 Go\r\nLocation: http://127.0.0.2:1/x\r\nContent-Length: 0'),
      'redirected to http://127.0.0.2:1: GET http://127.0.0.2:1/x',
    ],
    [
      'redirected to a file',
      respond('307 Go\r\nLocation: file:///etc/passwd\r\nContent-Length: 0'),
      'only http and https are spoken',
    ],
    [
      'redirected to a machine of the cloud',
      respond('307 Go\r\nLocation: http://169.254.169.254/latest/meta-data\r\nContent-Length: 0'),
      '169.254.169.254 is a',
    ],
    ['redirected to nowhere', respond('302 Go\r\nContent-Length: 0'), 'redirects elsewhere'],
    ['redirected to itself', respond(`307 Go\r\nLocation: /${path}\r\nContent-Length: 0`), 'more than 3 redirects'],
    ['behind headers without end', flood('HTTP/1.1 200 OK\r\n', `X: ${'y'.repeat(8000)}\r\n`), 'given up'],
    ['that is not HTTP', (socket) => socket.end('SSH-2.0-OpenSSH\r\n\r\n'), 'given up'],
    ['whose connection is dropped', (socket) => socket.destroy(), 'given up'],
    ['that is never answered', () => undefined, 'no answer within 300 ms'],
    [
      'that stalls',
      (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc'),
      'no byte for 300 ms',
    ],
  ]
  test.each(table)('%s', async (_, reply, message) => {
    replies[path] = reply
    await expect(run()).rejects.toMatchObject({ reason: 'source', message: expect.stringContaining(message) })
    expect(await readdir(join(root, 'copy/metadata')).catch(() => [])).toEqual([])
    const blobs = await readdir(join(root, 'copy/blobs'), { recursive: true }).catch(() => [])
    expect(blobs.filter((name) => name.length > 40)).toEqual([])
    delete replies[path]
    expect(await run()).toMatchObject({ outcome: 'updated' })
    expect(await readFile(join(root, 'copy', path))).toEqual(Buffer.from(blob))
  })

  test('that drips is cut off although every moment brings a byte', async () => {
    let dripping: Timer | undefined
    replies[path] = (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n')
      dripping = setInterval(() => socket.write('x'), 5)
      socket.on('close', () => clearInterval(dripping))
    }
    await expect(run()).rejects.toThrow(' drips: ')
    clearInterval(dripping)
  })

  test('that is slow but steady is waited for', async () => {
    replies[path] = (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n')
      let at = 0
      const timer = setInterval(() => {
        socket.write(blob.subarray(at, (at += 2_000)))
        if (at >= blob.length) clearInterval(timer)
      }, 10)
      socket.on('close', () => clearInterval(timer))
    }
    expect(await run('copy', { stallMs: 200 })).toMatchObject({ outcome: 'updated' })
  })

  test('cut again and again is gone on with each time', async () => {
    const big = Uint8Array.from({ length: 8_000_000 }, (_, i) => (i * 13) % 247)
    const bigDigest = await tree.add(big)
    await tree.publish()
    const starts: number[] = []
    replies[blobPath(bigDigest)] = (socket, request) => {
      const first = Number(/\r\nrange: bytes=(\d+)-/i.exec(request)?.[1] ?? 0)
      starts.push(first)
      const status = first > 0 ? `206 P\r\nContent-Range: bytes ${first}-7999999/8000000` : '200 OK'
      socket.write(`HTTP/1.1 ${status}\r\nContent-Length: ${big.length - first}\r\n\r\n`)
      socket.end(big.subarray(first, first + 1_500_000))
    }
    expect(await run()).toMatchObject({ outcome: 'updated' })
    // What had not been read yet when a connection broke may be lost, but each attempt begins further on.
    expect(starts.length).toBeGreaterThan(2)
    expect(starts).toEqual([...new Set(starts)].sort((a, b) => a - b))
  })

  test('whose second half is of another blob, twice, is given up', async () => {
    let resumes = 0
    replies[path] = (socket, request) => {
      const isResumed = /\r\nrange:/i.test(request)
      if (isResumed) resumes++
      if (isResumed)
        return respond(
          '206 P\r\nContent-Range: bytes 50000-99999/100000\r\nContent-Length: 50000',
          wrong.slice(50_000),
        )(socket, request)
      return half(socket, request)
    }
    await expect(run('copy', { stallMs: 100, tries: 9 })).rejects.toThrow('other bytes than its digest')
    expect(resumes).toBe(2)
  })

  test.each([
    'bytes 0-99999/100000',
    'bytes 50000-99999/*',
    'bytes 50000-99998/100000',
    'bytes 50000-99999/100001',
    'nonsense',
  ])('gone on with from the wrong place (%s)', async (contentRange) => {
    replies[path] = (socket, request) => {
      if (/\r\nrange:/i.test(request))
        return respond(`206 P\r\nContent-Range: ${contentRange}`, blob.slice(50_000))(socket, request)
      return half(socket, request)
    }
    await expect(run('copy', { stallMs: 100 })).rejects.toThrow('Content-Range is')
  })
})

describe('the metadata', () => {
  const timestamp = timestampPath
  const root = firstRootPath
  const unsigned = JSON.stringify({ signed: { flotilla: { channel: 'stable' } }, signatures: [] })
  test.each<[string, string, Reply, string]>([
    ['a timestamp that never ends', timestamp, flood('HTTP/1.1 200 OK\r\n\r\n', blob), 'larger than 16384 bytes'],
    ['a root that never ends', root, flood('HTTP/1.1 200 OK\r\n\r\n', blob), 'larger than 262144 bytes'],
    ['no root', root, respond('404 N\r\nContent-Length: 0'), 'is it a published tree?'],
    ['a root that is none', root, whole('{"keytype":"rsa"}'), 'not a TUF root'],
    ['no timestamp', timestamp, respond('404 N\r\nContent-Length: 0'), 'there is no metadata/timestamp.json'],
    ['a 304 that nobody asked for', timestamp, respond('304 Not Modified'), 'status 304'],
    ['a page instead of a timestamp', timestamp, whole('<html>hello</html>'), 'is no signed metadata of a tree'],
    ['an unsigned timestamp', timestamp, whole(unsigned), 'refused'],
    [
      'a snapshot that is gone',
      'metadata/1.snapshot.json',
      respond('404 N\r\nContent-Length: 0'),
      'there is no metadata',
    ],
    [
      'endless targets',
      'metadata/1.targets.json',
      flood('HTTP/1.1 200 OK\r\n\r\n', blob),
      'targets.json is larger than',
    ],
    [
      'roots elsewhere',
      'metadata/2.root.json',
      respond('307 Go\r\nLocation: http://127.0.0.2:1/x\r\nContent-Length: 0'),
      'redirects elsewhere',
    ],
  ])('%s', async (_, path, reply, message) => {
    replies[path] = reply
    await expect(run()).rejects.toThrow(message)
    expect(asked.filter((one) => one.startsWith('blobs/'))).toEqual([])
    delete replies[path]
    expect(await run()).toMatchObject({ outcome: 'updated' })
  })
})

describe('lists, rightly signed but wrong in themselves', () => {
  const header = 'flotilla-list 1 stable 0 1'
  test.each([
    ['a path that leads out', `${header} 1\nsha256:../../../../etc/passwd 5 1\n`],
    ['an absolute path', `${header} 1\n/etc/passwd 5 1\n`],
    ['a path instead of hex', `${header} 1\nsha256:/../../etc/passwd 5 1\n`],
    ['a digest of another kind', `${header} 1\nmd5:${'0'.repeat(32)} 5 1\n`],
    ['sizes beyond measure', `${header} 1\n${digest} 99999999999999999999 1\n`],
    ['another channel', `flotilla-list 1 other 0 1 1\n${digest} 5 1\n`],
    ['a bomb', `${header} 1\n${' '.repeat(50_000_000)}`],
  ])('%s', async (_, text) => {
    const packed = gzipSync(text)
    const [list] = tree.lists
    tree.lists = [{ ...list!, sizeBytes: packed.length, digest: digestOf(packed) }]
    const { channel, lists, packs } = tree
    await tree.writeContents({ channel, generation: 1, createdAtMs: 1, lists, packs })
    replies['lists/1.gz'] = whole(packed)
    await expect(run()).rejects.toMatchObject({ reason: 'source', message: expect.stringContaining('list') })
    expect(asked.filter((one) => one.startsWith('blobs/'))).toEqual([])
  })

  test('a list that is longer than was signed, without end', async () => {
    replies['lists/1.gz'] = flood('HTTP/1.1 200 OK\r\n\r\n', blob)
    await expect(run()).rejects.toMatchObject({ reason: 'source', message: expect.stringContaining('is longer than') })
    expect(asked.filter((one) => one.startsWith('blobs/'))).toEqual([])
  })

  test('a size that no disk has', async () => {
    const packed = gzipSync(`${header} 1\n${digest} 9007199254740991 1\n`)
    tree.lists = [{ ...tree.lists[0]!, sizeBytes: packed.length, digest: digestOf(packed) }]
    const { channel, lists, packs } = tree
    await tree.writeContents({ channel, generation: 1, createdAtMs: 1, lists, packs })
    replies['lists/1.gz'] = whole(packed)
    await expect(run()).rejects.toMatchObject({ reason: 'disk' })
  })
})

test('a source that is not there at all', async () => {
  await new Promise((resolve) => server.close(resolve))
  await expect(run()).rejects.toMatchObject({ reason: 'source' })
})

test('a stop ends a run that waits for a silent server', async () => {
  const stopping = new AbortController()
  replies[blobPath(digest)] = () => stopping.abort()
  await expect(run('copy', { stallMs: 60_000, stop: stopping.signal })).rejects.toMatchObject({ reason: 'stopped' })
})
