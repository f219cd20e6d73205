// What a probe can tell of a host's bytes by block checks, and what no probe can.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer as createTlsServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { blockCount, blockRange } from '#blobs/block-checks.ts'
import type { BlockKey } from '#blobs/block-key.ts'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import type { FindBlockChecks } from '#snapshots/block-checks.ts'
import { makeAuthority } from '../../../test/kit/certificate-authority.ts'
import { blockKey } from '../../../test/kit/check-files.ts'
import { digestOf, type Fault, goodHost, layer, openBlobIn } from '../../../test/kit/front-door.ts'
import { checksOfProbedBlob, inTurn, keeping, ProbedHost, probedBlob, until } from '../../../test/kit/probed-host.ts'
import { seeded } from '../../../test/kit/seeded.ts'
import { chooseBlock } from './known-block.ts'
import { OwnBlobs } from './own-blobs.ts'

let checks: FindBlockChecks<BlockKey>
beforeAll(async () => {
  checks = await checksOfProbedBlob()
})
let probed: ProbedHost
beforeEach(async () => {
  probed = await ProbedHost.start()
})
afterEach(() => probed[Symbol.asyncDispose]())

describe('by block checks alone, without the bytes', () => {
  test('a good host passes with every block, and nothing of it is guessed', async () => {
    const known = probed.probes({ blockChecks: checks, random: inTurn() })
    for (let i = 0; i < blockCount; i++) expect(await known.prove()).toBe(true)
    expect(known.counters).toMatchObject({ probesPassed: blockCount, probesNotCompared: 0, probesFailed: 0 })
    expect(known.state()).toBe('proven')
  })

  test('a host with other bytes fails with every block, for this blob only', async () => {
    probed.host.fault = keeping(() => false)
    for (let i = 0; i < blockCount; i++) {
      const known = probed.probes({ blockChecks: checks, random: () => i / blockCount })
      expect(await known.prove()).toBe(false)
      expect(known.state()).toBe('bad')
    }
    expect(probed.evidence.length).toBe(blockCount)
    for (const one of probed.evidence)
      expect(one).toMatchObject({ kind: 'probe-failed', reason: expect.stringMatching(/other bytes at \d+/) })
  })

  test.each<[string, Fault, number]>([
    ['the tail alone', keeping((first) => first >= layer.length - 256), blockCount - 1],
    ['all but the tail', keeping((_, last) => last < layer.length - 100), 1],
    ['the first half', keeping((_, last) => last < layer.length / 2), 4],
    ['nothing', keeping(() => false), blockCount],
  ])('a host that keeps %s fails with those blocks that it lacks', async (_, fault, failing) => {
    probed.host.fault = fault
    let failed = 0
    for (let i = 0; i < blockCount; i++) {
      const isGood = await probed.probes({ blockChecks: checks, random: () => i / blockCount }).prove()
      if (!isGood) failed++
    }
    expect(failed).toBeWithin(failing, failing + 2)
  })

  test('a host whose file has another length shows it with any block', async () => {
    for (const length of [layer.length - 1, layer.length + 1]) {
      probed.host.fault = ({ response, bytes, first, last }) => {
        response.writeHead(206, { 'content-range': `bytes ${first}-${last}/${length}` })
        response.end(bytes.subarray(first, last + 1))
      }
      const known = probed.probes({ blockChecks: checks })
      expect(await known.prove()).toBe(false)
    }
    expect(probed.evidence.map(({ kind }) => kind)).toEqual(['probe-failed', 'probe-failed'])
  })

  test('rot on our own disk does not matter: the checks are of bytes that were right', async () => {
    const rotten = openBlobIn(new Map([[probedBlob.digest, Buffer.alloc(layer.length, 'rotten')]]))
    const known = probed.probes({ blockChecks: checks, openBlob: rotten })
    expect(await known.prove()).toBe(true)
    probed.host.fault = keeping(() => false)
    expect(await known.prove()).toBe(false)
    expect(known.counters.ownBlobsDamaged).toBe(0)
  })

  test('checks that cannot be read are as good as none', async () => {
    const broken = { find: () => Promise.reject(new Error('the disk is gone')) }
    const known = probed.probes({ blockChecks: broken, openBlob: openBlobIn() })
    expect(await known.prove()).toBe(true)
    expect(known.counters.probesNotCompared).toBe(0)
  })
})

describe('what no probe can tell', () => {
  test('of a blob with a part f rotten, one probe passes with a chance of 1 - f', async () => {
    const random = seeded(11)
    const own = new OwnBlobs(undefined, () => probed.nowMs)
    for (const rotten of [0.1, 0.5, 0.9]) {
      let passed = 0
      const probes = 3_000
      for (let i = 0; i < probes; i++) {
        const digest = digestOf(`blob ${i}`)
        const one = { find: async () => ({ checks: Buffer.alloc(128), key: blockKey }) }
        const block = await chooseBlock({ blockChecks: one, own, random }, { digest, sizeBytes: 10_000_000 })
        // One hole somewhere in the blob, the end of which joins its beginning.
        const from = random()
        const at = block.range.first / 10_000_000
        if ((at - from + 1) % 1 >= rotten) passed++
      }
      expect(passed / probes).toBeWithin(1 - rotten - 0.04, 1 - rotten + 0.04)
    }
  })

  test('a host that saw all eight places asked for, and kept just those, passes; a block anywhere finds it', async () => {
    const seen = new Set<number>()
    const learning = seeded(3)
    probed.host.fault = (answer) => {
      seen.add(answer.first)
      goodHost(answer)
    }
    let asked = 0
    while (seen.size < blockCount) {
      expect(await probed.probes({ blockChecks: checks, random: learning }).prove()).toBe(true)
      asked++
    }
    // On average 22: the sum of 8/8 + 8/7 + … + 8/1.
    expect(asked).toBeGreaterThanOrEqual(blockCount)
    probed.host.fault = keeping((first) => seen.has(first))
    for (let i = 0; i < 30; i++) expect(await probed.probes({ blockChecks: checks }).prove()).toBe(true)
    const known = probed.probes({ openBlob: openBlobIn(), random: () => 0.123 })
    expect(await known.prove()).toBe(false)
    await until(() => known.counters.probesFailed === 1)
    expect(known.state()).toBe('bad')
  })

  test('the places of one blob say nothing of those of another', () => {
    const places = (text: string) =>
      Array.from({ length: blockCount }, (_, index) =>
        blockRange(blockKey, { digest: digestOf(text), sizeBytes: 1e9 }, index),
      )
    const known = new Set(places('one').map(({ first }) => first))
    // But for the end, which everybody knows.
    expect(places('two').filter(({ first }) => known.has(first)).length).toBe(1)
  })
})

describe('a probe', () => {
  test('is asked for without coding, over one connection for all of a host', async () => {
    const sockets = new Set<unknown>()
    const encodings = new Set<unknown>()
    probed.host.fault = (answer) => {
      sockets.add(answer.request.socket)
      encodings.add(answer.request.headers['accept-encoding'])
      goodHost(answer)
    }
    for (let i = 0; i < 20; i++) expect(await probed.probes({ blockChecks: checks }).prove()).toBe(true)
    expect(probed.host.requests.length).toBe(20)
    expect(sockets.size).toBe(1)
    expect([...encodings]).toEqual(['identity'])
  })

  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'probe-tls-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  test('takes no certificate that a client would not take', async () => {
    const authority = await makeAuthority(folder)
    const pem = { cert: await readFile(authority.cert), key: await readFile(authority.key) }
    const server = createTlsServer(pem, (request, response) => {
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range!)!.map(Number)
      goodHost({ request, response, bytes: layer, first: first!, last: last! })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const ca = await readFile(authority.bundle, 'utf8')
    const options = { allowPrivate: true, userAgent: 'test', resolve: async () => ['127.0.0.1'] }
    await using trusting = new OutboundClient({ ...options, ca })
    await using strict = new OutboundClient(options)
    const proveAt = async (outbound: OutboundClient, name: string) => {
      return await probed.probes({ blockChecks: checks, outbound, url: `https://${name}:${port}` }).prove()
    }
    expect(await proveAt(trusting, 'front.test')).toBe(true)
    expect(await proveAt(trusting, 'another.test')).toBe(false)
    expect(await proveAt(strict, 'front.test')).toBe(false)
    expect(probed.evidence.map((one) => 'reason' in one && one.reason)).toEqual([
      expect.stringContaining('altnames'),
      expect.stringContaining('certificate'),
    ])
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
})
