// The rush after a publication with upstreams that fail once they are proven and in use.

import { expect, test } from 'bun:test'
import { runHerd } from '../kit/herd.ts'

test('hosts that die or lie to the others hold none of them up, and do not send them all to the origin', async () => {
  const { samples, replicas } = await runHerd({
    replicas: 14,
    layers: 5,
    layerBytes: 150_000,
    fates: ['dies', 'lies', 'dies', 'lies'],
    env: {
      FLOTILLA_ORIGIN_SEEDS: '6',
      FLOTILLA_ORIGIN_SEED_SILENCE: '3s',
      FLOTILLA_ORIGIN_WAVE: '1s',
      FLOTILLA_ORIGIN_HEAD_START: '0s',
    },
    limitMs: 100_000,
    sampleEveryMs: 100,
  })
  const last = samples.at(-1)!
  expect(last.whole).toBe(14)
  // Those who have nobody left but hosts that failed them are seeds for a while.
  expect(last.mostSends).toBeLessThanOrEqual(12)
  const met = replicas.slice(0, 4).filter((one) => one.served > 1)
  expect(met.length).toBeGreaterThan(0)
  const avoided = new Set(replicas.flatMap((one) => [...one.avoided]))
  expect([...avoided].sort()).toEqual(met.map((one) => one.name).sort())
}, 120_000)
