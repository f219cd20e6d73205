import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ChainPublisher, refusal } from '../../test/kit/chain-publisher.ts'
import { dayMs } from '../../test/kit/trust.ts'
import type { ChainReason } from './chain-refused.ts'
import { TrustedChain } from './trusted-chain.ts'

let folder: string
let count = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trusted-chain-'))
})
afterAll(() => rm(folder, { recursive: true }))

const start = () => ChainPublisher.start(join(folder, `keys-${count++}`))

async function reader(first: ChainPublisher, channel: string | undefined = 'stable'): Promise<TrustedChain> {
  const opened = await TrustedChain.open(join(folder, `reader-${count++}`), first.files.get('1.root.json'), channel)
  return opened!
}

describe('a chain', () => {
  test('leads to what the publisher signed last', async () => {
    const publisher = await start()
    await publisher.publish(7)
    const chain = await reader(publisher)
    const targets = await chain.refresh(publisher.read)
    expect(targets.about).toMatchObject({ channel: 'stable', generation: 7 })
    expect(targets.files.get('lists/7.gz')).toEqual({ sizeBytes: 7, sha256: 'a'.repeat(64) })
    await publisher.publish(8)
    expect(await chain.refresh(publisher.read)).toMatchObject({ targetsVersion: 2, timestampVersion: 2 })
    expect(await chain.last()).toMatchObject({ about: { generation: 8 } })
  })

  test('is refused with its reason, and what was verified before stays', async () => {
    const stranger = await start()
    await stranger.publish(3)
    const second = await start()
    await second.publish(1)
    const old = new Map(second.files)
    await second.publish(9, 'testing')
    const testing = new Map(second.files)
    await second.publish(2)
    const good = new Map(second.files)
    const of = (files: Map<string, Buffer>) => async (name: string) => files.get(name)
    const held = await reader(second)
    await held.refresh(of(good))
    const table: [string, Map<string, Buffer>, ChainReason][] = [
      ['an older timestamp', old, 'backwards'],
      ['keys of a stranger', new Map([...stranger.files]), 'unsigned'],
      ['another channel', testing, 'other-channel'],
      ['no timestamp', new Map(), 'missing'],
      ['no JSON', new Map([['timestamp.json', Buffer.from('{')]]), 'malformed'],
      ['a huge timestamp', new Map([['timestamp.json', Buffer.alloc(1 << 20)]]), 'malformed'],
    ]
    for (const [name, files, reason] of table) {
      expect(await refusal(held, of(files)), name).toBe(reason)
      expect(await held.last(), name).toMatchObject({ about: { generation: 2 }, timestampVersion: 2 })
    }
    await second.publish(3)
    const mixed = new Map([...second.files, ['3.targets.json', good.get('2.targets.json')!] as const])
    expect(await refusal(held, of(mixed)), 'targets of another state').toBe('mixed')
    const mixedSnapshot = new Map([...second.files, ['3.snapshot.json', good.get('2.snapshot.json')!] as const])
    const late = await reader(second)
    await late.refresh(of(good))
    expect(await refusal(late, of(mixedSnapshot)), 'a snapshot of another state').toBe('mixed')
    expect(await refusal(held, second.read)).toBe('none')
    expect(await held.last()).toMatchObject({ about: { generation: 3 } })
  })

  test('whose timestamp led nowhere keeps the state before, and no older one is taken again', async () => {
    const publisher = await start()
    await publisher.publish(1)
    const before = new Map(publisher.files)
    const chain = await reader(publisher)
    await chain.refresh(publisher.read)
    await publisher.publish(2)
    expect(await refusal(chain, publisher.with({ '2.snapshot.json': undefined }))).toBe('missing')
    expect(await chain.last()).toMatchObject({ about: { generation: 1 }, timestampVersion: 1 })
    expect(await chain.held('timestamp.json')).toEqual(before.get('timestamp.json'))
    expect(await refusal(chain, async (name) => before.get(name))).toBe('backwards')
    expect(await refusal(chain, publisher.read)).toBe('none')
    expect(await chain.last()).toMatchObject({ about: { generation: 2 }, timestampVersion: 2 })
  })

  test('is not spoilt by what lies ahead and is damaged', async () => {
    const publisher = await start()
    await publisher.publish(1)
    const place = join(folder, `reader-${count++}`)
    const chain = (await TrustedChain.open(place, publisher.files.get('1.root.json'), 'stable'))!
    await chain.refresh(publisher.read)
    for (const name of ['timestamp', 'snapshot', 'targets'])
      await writeFile(join(place, `ahead-${name}.json`), 'damaged')
    expect(await chain.last()).toMatchObject({ about: { generation: 1 } })
    for (let i = 0; i < 2; i++) {
      expect(await refusal(chain, publisher.read)).toBe('none')
      expect(await chain.last()).toMatchObject({ about: { generation: 1 } })
    }
  })

  test('that has not been signed anew in time is refused', async () => {
    const publisher = await start()
    publisher.clockMs -= 30 * dayMs
    await publisher.publish(1)
    expect(await refusal(await reader(publisher), publisher.read)).toBe('expired')
  })

  test('an outage of the source is told as it is', async () => {
    const publisher = await start()
    await publisher.publish(1)
    const chain = await reader(publisher)
    const outage = new Error('the line is down')
    await expect(chain.refresh(async () => Promise.reject(outage))).rejects.toBe(outage)
  })
})

describe('signing again', () => {
  test('the timestamp when half of its life is over; all when half of theirs is', async () => {
    const publisher = await start()
    await publisher.publish(4)
    expect(await publisher.tree.resign(publisher.read)).toEqual([])
    publisher.clockMs += 2 * dayMs
    const again = await publisher.tree.resign(publisher.read)
    expect(again?.map((file) => file.name)).toEqual(['1.root.json', 'timestamp.json'])
    for (const { name, bytes } of again!) publisher.files.set(name, bytes)
    const chain = await reader(publisher)
    expect(await chain.refresh(publisher.read)).toMatchObject({ timestampVersion: 2, targetsVersion: 1 })
    publisher.clockMs += 50 * dayMs
    expect(await publisher.tree.resign(publisher.read)).toBeUndefined()
  })

  test('what a clock that was ahead has signed, or it would be good for ever', async () => {
    const publisher = await start()
    const rightMs = publisher.clockMs
    publisher.clockMs += 365 * dayMs
    await publisher.publish(4)
    publisher.clockMs = rightMs
    for (let i = 0; i < 2; i++) await publisher.upkeep(4)
    const chain = await reader(publisher)
    const { expiresAtMs, targetsVersion } = await chain.refresh(publisher.read)
    expect(expiresAtMs - rightMs).toBeLessThan(60 * dayMs)
    expect(targetsVersion).toBe(2)
  })
})
