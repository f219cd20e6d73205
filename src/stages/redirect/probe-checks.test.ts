// What a probe can tell of a host's bytes: by block checks, by our own bytes, by neither; and what no probe can.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer as createTlsServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { blockCount, blockRange, makeBlockChecks } from '#blobs/block-checks.ts'
import type { BlockKey } from '#blobs/block-key.ts'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import type { Digest } from '#oci/digest.ts'
import type { FindBlockChecks } from '#snapshots/block-checks.ts'
import { makeAuthority } from '../../../test/kit/certificate-authority.ts'
import { blockKey } from '../../../test/kit/check-files.ts'
import {
  digestOf,
  type Fault,
  type FaultyHost,
  goodHost,
  layer,
  openBlobIn,
  placed,
  startHost,
} from '../../../test/kit/front-door.ts'
import { seeded } from '../../../test/kit/seeded.ts'
import { makeCounters } from './counters.ts'
import type { Evidence } from './evidence.ts'
import { chooseBlock } from './known-block.ts'
import { type OpenBlob, OwnBlobs } from './own-blobs.ts'
import { Proofs, proofLimitDefaults } from './proofs.ts'

const blob = { digest: digestOf(layer), sizeBytes: layer.length }
const ask = { userAgent: 'docker/28', query: '', timeoutMs: 2_000 }

let host: FaultyHost
let outbound: OutboundClient
let evidence: Evidence[]
let checks: FindBlockChecks<BlockKey>
let nowMs = 1_000_000
beforeAll(async () => {
  const made = (await makeBlockChecks({ open: openBlobIn() }, blockKey, blob))!
  checks = { find: async (digest: Digest) => (digest === blob.digest ? { checks: made, key: blockKey } : undefined) }
})
beforeEach(async () => {
  host = await startHost()
  outbound = new OutboundClient({ allowPrivate: true, userAgent: 'test' })
  evidence = []
})
afterEach(async () => {
  await outbound[Symbol.asyncDispose]()
  await host.stop()
})

type Known = { readonly blockChecks?: FindBlockChecks<BlockKey>; readonly openBlob?: OpenBlob; random?: () => number }
function proofs({ blockChecks, openBlob, random = Math.random }: Known) {
  const counters = makeCounters()
  const tell = { report: (one: Evidence) => evidence.push(one), counters, now: () => nowMs }
  const made = new Proofs({ outbound, blockChecks, openBlob, random }, proofLimitDefaults, tell)
  const pairing = { candidate: { host: placed(1, host.url), url: host.url }, blob, family: 4, prefixKey: 1 } as const
  return {
    counters,
    prove: () => made.prove(pairing, ask),
    state: () => made.stateOf(pairing, { isTrusted: true, sinceMs: 0, nowMs }),
  }
}
/** Every block in turn. */
const inTurn = () => {
  let next = 0
  return () => (next++ % blockCount) / blockCount
}
/** Right bytes where `isRight` says so, a good answer with other bytes elsewhere. */
const keeping =
  (isRight: (first: number, last: number) => boolean): Fault =>
  (answer) => {
    const { bytes, first, last } = answer
    if (isRight(first, last)) return goodHost(answer)
    const rotten = Buffer.from(bytes)
    for (let at = first; at <= last; at++) rotten[at]! ^= 0x55
    goodHost({ ...answer, bytes: rotten })
  }
const until = async (isDone: () => boolean) => {
  while (!isDone()) await new Promise((resolve) => setImmediate(resolve))
}

describe('by block checks alone, without the bytes', () => {
  test('a good host passes with every block, and nothing of it is guessed', async () => {
    const known = proofs({ blockChecks: checks, random: inTurn() })
    for (let i = 0; i < blockCount; i++) expect(await known.prove()).toBe(true)
    expect(known.counters).toMatchObject({ probesPassed: blockCount, probesNotCompared: 0, probesFailed: 0 })
    expect(known.state()).toBe('proven')
  })

  test('a host with other bytes fails with every block, for this blob only', async () => {
    host.fault = keeping(() => false)
    for (let i = 0; i < blockCount; i++) {
      const known = proofs({ blockChecks: checks, random: () => i / blockCount })
      expect(await known.prove()).toBe(false)
      expect(known.state()).toBe('bad')
    }
    expect(evidence.length).toBe(blockCount)
    for (const one of evidence)
      expect(one).toMatchObject({ kind: 'probe-failed', reason: expect.stringMatching(/other bytes at \d+/) })
  })

  test.each<[string, Fault, number]>([
    ['the tail alone', keeping((first) => first >= layer.length - 256), blockCount - 1],
    ['all but the tail', keeping((_, last) => last < layer.length - 100), 1],
    ['the first half', keeping((_, last) => last < layer.length / 2), 4],
    ['nothing', keeping(() => false), blockCount],
  ])('a host that keeps %s fails with those blocks that it lacks', async (_, fault, failing) => {
    host.fault = fault
    let failed = 0
    for (let i = 0; i < blockCount; i++) {
      const isGood = await proofs({ blockChecks: checks, random: () => i / blockCount }).prove()
      if (!isGood) failed++
    }
    expect(failed).toBeWithin(failing, failing + 2)
  })

  test('a host whose file has another length shows it with any block', async () => {
    for (const length of [layer.length - 1, layer.length + 1]) {
      host.fault = ({ response, bytes, first, last }) => {
        response.writeHead(206, { 'content-range': `bytes ${first}-${last}/${length}` })
        response.end(bytes.subarray(first, last + 1))
      }
      const known = proofs({ blockChecks: checks })
      expect(await known.prove()).toBe(false)
    }
    expect(evidence.map(({ kind }) => kind)).toEqual(['probe-failed', 'probe-failed'])
  })

  test('rot on our own disk does not matter: the checks are of bytes that were right', async () => {
    const rotten = openBlobIn(new Map([[blob.digest, Buffer.alloc(layer.length, 'rotten')]]))
    const known = proofs({ blockChecks: checks, openBlob: rotten })
    expect(await known.prove()).toBe(true)
    host.fault = keeping(() => false)
    expect(await known.prove()).toBe(false)
    expect(known.counters.ownBlobsDamaged).toBe(0)
  })

  test('checks that cannot be read are as good as none', async () => {
    const broken = { find: () => Promise.reject(new Error('the disk is gone')) }
    const known = proofs({ blockChecks: broken, openBlob: openBlobIn() })
    expect(await known.prove()).toBe(true)
    expect(known.counters.probesNotCompared).toBe(0)
  })
})

describe('what no probe can tell', () => {
  test('of a blob with a part f rotten, one probe passes with a chance of 1 - f', async () => {
    const random = seeded(11)
    const own = new OwnBlobs(undefined, () => nowMs)
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
    host.fault = (answer) => {
      seen.add(answer.first)
      goodHost(answer)
    }
    let asked = 0
    while (seen.size < blockCount) {
      expect(await proofs({ blockChecks: checks, random: learning }).prove()).toBe(true)
      asked++
    }
    // On average 22: the sum of 8/8 + 8/7 + … + 8/1.
    expect(asked).toBeGreaterThanOrEqual(blockCount)
    host.fault = keeping((first) => seen.has(first))
    for (let i = 0; i < 30; i++) expect(await proofs({ blockChecks: checks }).prove()).toBe(true)
    const known = proofs({ openBlob: openBlobIn(), random: () => 0.123 })
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

describe('by our own bytes, where a blob has no checks', () => {
  test('a host that differs from sound ones is closed when they were read whole; until then it is in doubt', async () => {
    host.fault = keeping(() => false)
    const gate = Promise.withResolvers<void>()
    const whole = openBlobIn()
    const known = proofs({
      openBlob: async (digest, range) => {
        if (!range) await gate.promise
        return whole(digest, range)
      },
    })
    for (let i = 0; i < 3; i++) {
      expect(await known.prove()).toBe(false)
      expect(known.state()).toBe('unproven')
    }
    expect(evidence).toEqual([])
    gate.resolve()
    await until(() => evidence.length > 0)
    expect(evidence).toMatchObject([
      { kind: 'probe-failed', hostId: 1, reason: expect.stringContaining('other bytes at') },
    ])
    expect(known.state()).toBe('bad')
    // One failure, and as long as one closes.
    nowMs += proofLimitDefaults.badForMs
    expect(known.state()).toBe('unproven')
    expect(known.counters.probesFailed).toBe(1)
  })

  test.each<[string, OpenBlob]>([
    ['rotten', openBlobIn(new Map([[blob.digest, Buffer.alloc(layer.length, 'rotten')]]))],
    [
      'unreadable in part',
      async (digest, range) => {
        if (!range) throw new Error('EIO: i/o error, read')
        return openBlobIn(new Map([[blob.digest, Buffer.alloc(layer.length, 'x')]]))(digest, range)
      },
    ],
  ])('ours are %s: no host pays for it, and they are no measure any more', async (_, openBlob) => {
    const known = proofs({ openBlob })
    expect(await known.prove()).toBe(false)
    await until(() => known.counters.ownBlobsDamaged === 1)
    expect(evidence).toEqual([])
    expect(known.state()).toBe('unproven')
    expect(await known.prove()).toBe(true)
    expect(known.counters).toMatchObject({ probesFailed: 0, probesNotCompared: 1 })
    expect(known.state()).toBe('proven')
  })

  test('ours that were repaired are a measure again after a while', async () => {
    let bytes = Buffer.alloc(layer.length, 'rotten')
    const known = proofs({ openBlob: (digest, range) => openBlobIn(new Map([[blob.digest, bytes]]))(digest, range) })
    await known.prove()
    await until(() => known.counters.ownBlobsDamaged === 1)
    bytes = Buffer.from(layer)
    nowMs += 600_000
    expect(await known.prove()).toBe(true)
    expect(known.counters.probesNotCompared).toBe(0)
  })

  test('they are read one at a time, each once for all who ask, and no more than may wait', async () => {
    const gate = Promise.withResolvers<void>()
    let reading = 0
    let most = 0
    let reads = 0
    const own = new OwnBlobs(
      async (digest) => {
        reads++
        most = Math.max(most, ++reading)
        await gate.promise
        reading--
        return openBlobIn()(digest)
      },
      () => nowMs,
      { readCountsMs: 1_000, maxRemembered: 2, maxWaiting: 3 },
    )
    const digests = [blob.digest, digestOf('a'), digestOf('b')]
    const asked = [...digests, ...digests].map((digest) => own.verify(digest))
    expect(await own.verify(digestOf('c'))).toBe('unknown')
    gate.resolve()
    expect(await Promise.all(asked)).toEqual(['sound', 'damaged', 'damaged', 'sound', 'damaged', 'damaged'])
    expect([most, reads]).toEqual([1, 3])
    await own.verify(digestOf('b'))
    expect(reads).toBe(3)
    // The oldest was forgotten.
    await own.verify(blob.digest)
    expect(reads).toBe(4)
  })
})

describe('a probe', () => {
  test('is asked for without coding, over one connection for all of a host', async () => {
    const sockets = new Set<unknown>()
    const encodings = new Set<unknown>()
    host.fault = (answer) => {
      sockets.add(answer.request.socket)
      encodings.add(answer.request.headers['accept-encoding'])
      goodHost(answer)
    }
    for (let i = 0; i < 20; i++) expect(await proofs({ blockChecks: checks }).prove()).toBe(true)
    expect(host.requests.length).toBe(20)
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
    const proveAt = async (client: OutboundClient, name: string) => {
      const counters = makeCounters()
      const tell = { report: (one: Evidence) => evidence.push(one), counters, now: () => nowMs }
      const parts = { outbound: client, blockChecks: checks, openBlob: undefined, random: Math.random }
      const url = `https://${name}:${port}`
      const candidate = { host: placed(1, url), url }
      return await new Proofs(parts, proofLimitDefaults, tell).prove({ candidate, blob, family: 4, prefixKey: 1 }, ask)
    }
    expect(await proveAt(trusting, 'front.test')).toBe(true)
    expect(await proveAt(trusting, 'another.test')).toBe(false)
    expect(await proveAt(strict, 'front.test')).toBe(false)
    expect(evidence.map((one) => 'reason' in one && one.reason)).toEqual([
      expect.stringContaining('altnames'),
      expect.stringContaining('certificate'),
    ])
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
})
