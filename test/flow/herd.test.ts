// After a publication the origin sends each blob a few times, and hosts do the rest. `npm run bench -- herd` shows it at full size.

import { expect, test } from 'bun:test'
import { runHerd } from '../kit/herd.ts'

test('sixteen hosts copy a generation: a few from the origin, the rest from each other', async () => {
  const { samples } = await runHerd({
    replicas: 16,
    layers: 6,
    layerBytes: 200_000,
    env: { FLOTILLA_ORIGIN_SEEDS: '2', FLOTILLA_ORIGIN_WAVE: '1s', FLOTILLA_ORIGIN_HEAD_START: '0s' },
    limitMs: 100_000,
    sampleEveryMs: 100,
  })
  const last = samples.at(-1)!
  expect(last.whole).toBe(16)
  // Two seeds, and a third where one lost its place.
  expect(last.mostSends).toBeGreaterThanOrEqual(1)
  expect(last.mostSends).toBeLessThanOrEqual(4)
  expect(last.hostBytes).toBeGreaterThan(last.originBytes)
}, 120_000)
