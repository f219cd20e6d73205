import { describe, expect, test } from 'bun:test'
import { parseDigest } from '#oci/digest.ts'
import type { HealthDocument } from './health.ts'
import { SnapshotHolder, SnapshotRefused } from './holder.ts'
import type { PlacementDocument } from './placement.ts'
import type { Publication } from './publication.ts'
import type { WithdrawalsDocument } from './withdrawals.ts'

const publication = (generation: number, channel = 'stable'): Publication => ({
  channel,
  generation,
  createdAtMs: 0,
  smallBlobBytes: 0,
  repositories: new Map(),
})
const placement = (version: number, builtAtMs: number): PlacementDocument => ({
  format: 1,
  version,
  builtAtMs,
  channel: 'stable',
  hosts: [],
})
const health = (version: number, builtAtMs: number): HealthDocument => ({ format: 1, version, builtAtMs, hosts: [] })
const digest = parseDigest(`sha256:${'a'.repeat(64)}`)!
const withdrawals = (version: number): WithdrawalsDocument => ({
  format: 1,
  version,
  builtAtMs: version,
  withdrawn: [{ digest, reason: 'a leaked key' }],
})

test('a view is one state: what was taken stays as it was while the next arrives', () => {
  const holder = new SnapshotHolder('stable')
  expect(holder.current.publication).toBeUndefined()
  holder.takePublication(publication(3))
  holder.takePlacement(placement(1, 1))
  const before = holder.current
  holder.takePublication(publication(4))
  holder.takeHealth(health(1, 1))
  holder.takeWithdrawals(withdrawals(1))
  expect([before.publication!.generation, before.fleet.health.version, before.withdrawals.version]).toEqual([3, 0, 0])
  const { current } = holder
  expect([current.publication!.generation, current.fleet.health.version, current.fleet.placement.version]).toEqual([
    4, 1, 1,
  ])
  expect(current.withdrawals.reasons.get(digest)).toBe('a leaked key')
})

describe('the old one stays when the new one is', () => {
  test.each<[string, (holder: SnapshotHolder) => void]>([
    ['an older generation', (holder) => holder.takePublication(publication(4))],
    ['a publication of another channel', (holder) => holder.takePublication(publication(9, 'testing'))],
    ['an older placement', (holder) => holder.takePlacement(placement(4, 4))],
    ['a placement of another channel', (holder) => holder.takePlacement({ ...placement(9, 9), channel: 'testing' })],
    ['a placement of another format', (holder) => holder.takePlacement({ ...placement(9, 9), format: 2 } as never)],
    ['a placement without hosts', (holder) => holder.takePlacement({ ...placement(9, 9), hosts: undefined } as never)],
    ['an older health', (holder) => holder.takeHealth(health(4, 4))],
    ['a health without a version', (holder) => holder.takeHealth({ ...health(9, 9), version: undefined } as never)],
    ['older withdrawals', (holder) => holder.takeWithdrawals(withdrawals(4))],
    [
      'withdrawals with one that cannot be read',
      (holder) =>
        holder.takeWithdrawals({ ...withdrawals(9), withdrawn: [{ digest: 'sha256:0', reason: '' }] } as never),
    ],
  ])('%s', (_, take) => {
    const holder = new SnapshotHolder('stable')
    holder.takePublication(publication(5))
    holder.takePlacement(placement(5, 5))
    holder.takeHealth(health(5, 5))
    holder.takeWithdrawals(withdrawals(5))
    const before = holder.current
    expect(() => take(holder)).toThrow()
    expect(holder.current).toBe(before)
  })
})

test('the same again changes nothing; a mirror role that began to count anew is followed', () => {
  const holder = new SnapshotHolder('stable')
  holder.takePlacement(placement(5, 5))
  const before = holder.current
  holder.takePlacement(placement(5, 5))
  expect(holder.current).toBe(before)
  holder.takePlacement(placement(1, 6))
  expect(holder.current.fleet.placement.version).toBe(1)
  expect(() => holder.takePlacement(placement(0, 5))).toThrow(SnapshotRefused)
})

test('a placement that is taken gently is the same one, and what is newer by then stays', async () => {
  const holder = new SnapshotHolder('stable')
  await holder.takePlacementGently(placement(3, 3))
  expect(holder.current.fleet.placement.version).toBe(3)
  const late = holder.takePlacementGently(placement(4, 4))
  holder.takePlacement(placement(5, 5))
  await expect(late).rejects.toThrow('older')
  expect(holder.current.fleet.placement.version).toBe(5)
  await expect(holder.takePlacementGently({ ...placement(9, 9), channel: 'testing' })).rejects.toThrow('testing')
})
