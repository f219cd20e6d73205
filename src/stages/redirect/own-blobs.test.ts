// Our own bytes as the measure of a host, where a blob has no block checks: they may be the rotten ones.
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { digestOf, layer, openBlobIn } from '../../../test/kit/front-door.ts'
import { keeping, ProbedHost, probedBlob, until } from '../../../test/kit/probed-host.ts'
import { type OpenBlob, OwnBlobs } from './own-blobs.ts'
import { proofLimitDefaults } from './proof-limits.ts'

let probed: ProbedHost
beforeEach(async () => {
  probed = await ProbedHost.start()
})
afterEach(() => probed[Symbol.asyncDispose]())

describe('by our own bytes', () => {
  test('a host that differs from sound ones is closed when they were read whole; until then it is in doubt', async () => {
    probed.host.fault = keeping(() => false)
    const gate = Promise.withResolvers<void>()
    const whole = openBlobIn()
    const known = probed.probes({
      openBlob: async (digest, range) => {
        if (!range) await gate.promise
        return whole(digest, range)
      },
    })
    for (let i = 0; i < 3; i++) {
      expect(await known.prove()).toBe(false)
      expect(known.state()).toBe('unproven')
    }
    expect(probed.evidence).toEqual([])
    gate.resolve()
    await until(() => probed.evidence.length > 0)
    expect(probed.evidence).toMatchObject([
      { kind: 'probe-failed', hostId: 1, reason: expect.stringContaining('other bytes at') },
    ])
    expect(known.state()).toBe('bad')
    // One failure, and as long as one closes.
    probed.nowMs += proofLimitDefaults.badForMs
    expect(known.state()).toBe('unproven')
    expect(known.counters.probesFailed).toBe(1)
  })

  test.each<[string, OpenBlob]>([
    ['rotten', openBlobIn(new Map([[probedBlob.digest, Buffer.alloc(layer.length, 'rotten')]]))],
    [
      'unreadable in part',
      async (digest, range) => {
        if (!range) throw new Error('EIO: i/o error, read')
        return openBlobIn(new Map([[probedBlob.digest, Buffer.alloc(layer.length, 'x')]]))(digest, range)
      },
    ],
  ])('ours are %s: no host pays for it, and they are no measure any more', async (_, openBlob) => {
    const known = probed.probes({ openBlob })
    expect(await known.prove()).toBe(false)
    await until(() => known.counters.ownBlobsDamaged === 1)
    expect(probed.evidence).toEqual([])
    expect(known.state()).toBe('unproven')
    expect(await known.prove()).toBe(true)
    expect(known.counters).toMatchObject({ probesFailed: 0, probesNotCompared: 1 })
    expect(known.state()).toBe('proven')
  })

  test('ours that were repaired are a measure again after a while', async () => {
    let bytes = Buffer.alloc(layer.length, 'rotten')
    const known = probed.probes({
      openBlob: (digest, range) => openBlobIn(new Map([[probedBlob.digest, bytes]]))(digest, range),
    })
    await known.prove()
    await until(() => known.counters.ownBlobsDamaged === 1)
    bytes = Buffer.from(layer)
    probed.nowMs += 600_000
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
      () => probed.nowMs,
      { readCountsMs: 1_000, maxRemembered: 2, maxWaiting: 3 },
    )
    const digests = [probedBlob.digest, digestOf('a'), digestOf('b')]
    const asked = [...digests, ...digests].map((digest) => own.verify(digest))
    expect(await own.verify(digestOf('c'))).toBe('unknown')
    gate.resolve()
    expect(await Promise.all(asked)).toEqual(['sound', 'damaged', 'damaged', 'sound', 'damaged', 'damaged'])
    expect([most, reads]).toEqual([1, 3])
    await own.verify(digestOf('b'))
    expect(reads).toBe(3)
    // The oldest was forgotten.
    await own.verify(probedBlob.digest)
    expect(reads).toBe(4)
  })
})
