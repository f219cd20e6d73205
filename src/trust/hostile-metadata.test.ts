// What a source may send that is no metadata, what lies in a reader's own folder after a crash or damage, and what must not be poisoned.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { cp, mkdtemp, readdir, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Metadata, MetadataKind, MetaFile, Timestamp } from '@tufjs/models'
import { ChainPublisher, type ReadFile, refusal } from '../../test/kit/chain-publisher.ts'
import { dayMs } from '../../test/kit/trust.ts'
import { chainLimits } from './chain-fetcher.ts'
import type { ChainReason } from './chain-refused.ts'
import { encodeMetadata, signedBytes, withSignatures } from './metadata-bytes.ts'
import { TrustedChain } from './trusted-chain.ts'

let folder: string
let publisher: ChainPublisher
let count = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostile-metadata-'))
  publisher = await ChainPublisher.start(join(folder, 'keys'))
  await publisher.publish(1)
})
afterAll(() => rm(folder, { recursive: true }))

type Reader = { readonly chain: TrustedChain; readonly place: string }

async function reader(channel: string | undefined = 'stable'): Promise<Reader> {
  const place = join(folder, `reader-${count++}`)
  return { place, chain: (await TrustedChain.open(place, publisher.files.get('1.root.json'), channel))! }
}

/** A timestamp of ours with its text changed after it was signed. */
function changed(from: RegExp | string, to: string): string {
  const text = publisher.files.get('timestamp.json')!.toString()
  const other = text.replace(from, to)
  expect(other).not.toBe(text)
  return other
}

describe('a timestamp that is', () => {
  const deep = 500_000
  const table: [string, () => string | Buffer, ChainReason][] = [
    ['empty', () => '', 'malformed'],
    ['null', () => 'null', 'malformed'],
    ['a list', () => '[]', 'malformed'],
    ['cut off', () => changed(/.{40}$/, ''), 'malformed'],
    ['no text', () => Buffer.from([0xff, 0xfe, 0x00]), 'malformed'],
    ['deep', () => '['.repeat(chainLimits.timestampMaxLength), 'malformed'],
    [
      'deep inside',
      () => changed('"flotilla":{', `"flotilla":{"x":${'['.repeat(4000)}${']'.repeat(4000)},`),
      'unsigned',
    ],
    ['too deep and too long', () => '['.repeat(deep), 'malformed'],
    ['of a version that is infinite', () => changed(/"version":\d+,"expires/, '"version":1e999,"expires'), 'unsigned'],
    ['of a version below zero', () => changed(/"version":\d+,"expires/, '"version":-1,"expires'), 'unsigned'],
    ['of a version that is text', () => changed(/"version":\d+,"expires/, '"version":"9","expires'), 'malformed'],
    ['of a version that is NaN', () => changed(/"version":\d+,"expires/, '"version":NaN,"expires'), 'malformed'],
    ['of a version that comes twice', () => changed(/("version":\d+),"expires/, '$1,"version":9,"expires'), 'unsigned'],
    ['of a prototype', () => changed('"signed":{', '"signed":{"__proto__":{"version":9},'), 'unsigned'],
    [
      'of a prototype only',
      () => '{"signed":{"__proto__":{"flotilla":{"channel":"stable"}}},"signatures":[]}',
      'malformed',
    ],
    ['signed by the prototype', () => changed(/"keyid":"\w+"/, '"keyid":"__proto__"'), 'malformed'],
    ['signed with no text', () => changed(/"sig":"\w+"/, '"sig":7'), 'malformed'],
    ['of another type', () => changed('"_type":"timestamp"', '"_type":"snapshot"'), 'malformed'],
    ['of a channel that is no text', () => changed('"channel":"stable"', '"channel":["stable"]'), 'malformed'],
  ]
  test.each(table)('%s is refused', async (_, bytes, reason) => {
    const { chain } = await reader()
    await chain.refresh(publisher.read)
    expect(await refusal(chain, publisher.with({ 'timestamp.json': bytes() }))).toBe(reason)
    expect(await refusal(chain, publisher.read)).toBe('none')
    expect(await chain.last()).toMatchObject({ about: { generation: 1 }, timestampVersion: 1 })
  })

  test('told of with a bounded message', async () => {
    const { chain } = await reader()
    const channel = 'x'.repeat(12_000)
    const bytes = changed('"channel":"stable"', `"channel":"${channel}"`)
    const error = await chain.refresh(publisher.with({ 'timestamp.json': bytes })).catch((one) => one)
    expect(error.reason).toBe('other-channel')
    expect(error.message.length).toBeLessThan(200)
  })
})

test('a root that is damaged, or another file, is refused at the first look and later', async () => {
  const place = join(folder, `reader-${count++}`)
  const first = publisher.files.get('1.root.json')!
  const table: [string, Buffer][] = [
    ['no JSON', Buffer.from('{')],
    ['a timestamp', publisher.files.get('timestamp.json')!],
    ['unsigned', Buffer.from(first.toString().replace(/"signatures":\[.*?\]/, '"signatures":[]'))],
    ['of a later expiry', Buffer.from(first.toString().replace(/"expires":"\d{4}/, '"expires":"9999'))],
    ['endless', Buffer.alloc(chainLimits.rootMaxLength + 1, ' ')],
  ]
  for (const [name, bytes] of table) {
    const opened = TrustedChain.open(place, bytes, 'stable').catch((error) => error.reason)
    expect(await opened, name).toBe('malformed')
    const { chain } = await reader()
    expect(await refusal(chain, publisher.with({ '2.root.json': bytes })), name).toMatch(/^(malformed|unsigned)$/)
  }
})

test('no file is asked for beyond the bound of its kind, whatever a signed document names', async () => {
  const { signed } = Metadata.fromJSON(
    MetadataKind.Timestamp,
    JSON.parse(String(publisher.files.get('timestamp.json'))),
  )
  const { specVersion, expires, unrecognizedFields } = signed
  const snapshotMeta = new MetaFile({ version: 9, length: 2 ** 50, hashes: { sha256: 'a'.repeat(64) } })
  const bare = new Metadata(new Timestamp({ version: 9, specVersion, expires, unrecognizedFields, snapshotMeta }))
  const own = await ChainPublisher.start(join(folder, `keys-${count++}`))
  const greedy = encodeMetadata(withSignatures(bare, [await own.trust.signer.sign(signedBytes(bare))]))
  const place = join(folder, `reader-${count++}`)
  const chain = (await TrustedChain.open(place, own.tree.rootFiles()[0]!.bytes, 'stable'))!
  const asked = new Map<string, number>()
  const read = async (name: string, maxBytes: number) => {
    asked.set(name, maxBytes)
    return name === 'timestamp.json' ? greedy : name === '9.snapshot.json' ? Buffer.alloc(maxBytes + 1) : undefined
  }
  expect(await refusal(chain, read as ReadFile)).toBe('malformed')
  expect(asked.get('9.snapshot.json')).toBe(chainLimits.snapshotMaxLength)
})

test('a timestamp of another channel leaves no trace, however high its version', async () => {
  const own = await ChainPublisher.start(join(folder, `keys-${count++}`))
  await own.publish(1)
  for (let i = 0; i < 3; i++) await own.publish(1, 'testing')
  const testing = new Map(own.files)
  await own.publish(2)
  for (const channel of ['stable', undefined]) {
    const place = join(folder, `reader-${count++}`)
    const chain = (await TrustedChain.open(place, own.files.get('1.root.json'), channel))!
    await chain.refresh(own.read)
    expect(await refusal(chain, async (name) => testing.get(name))).toBe('other-channel')
    await writeFile(join(place, 'timestamp.json'), 'damaged')
    expect(await refusal(chain, async (name) => testing.get(name))).toBe('other-channel')
    expect(await refusal(chain, own.read)).toBe('none')
  }
  const mixed = own.with({ 'timestamp.json': testing.get('timestamp.json') })
  const fresh = (await TrustedChain.open(join(folder, `reader-${count++}`), own.files.get('1.root.json'), undefined))!
  expect(
    await refusal(fresh, async (name) => (name === '3.snapshot.json' ? own.read('2.snapshot.json') : mixed(name))),
  ).toBe('other-channel')
})

describe("a reader's own folder", () => {
  const damages: [string, (path: string) => Promise<void>][] = [
    ['empty', (path) => truncate(path)],
    ['cut off', (path) => truncate(path, 60)],
    ['rubbish', (path) => writeFile(path, 'rubbish')],
    ['gone', (path) => rm(path)],
  ]
  const files = ['timestamp.json', 'snapshot.json', 'targets.json']
  const cases = files.flatMap((name) => damages.map(([how, damage]) => [name, how, damage] as const))
  test.each(cases)('is repaired from the source: %s %s', async (name, _, damage) => {
    const { chain, place } = await reader()
    await chain.refresh(publisher.read)
    await damage(join(place, name))
    const again = (await TrustedChain.open(place, undefined, 'stable'))!
    await again.last()
    expect(await refusal(again, publisher.read)).toBe('none')
    expect(await again.last()).toMatchObject({ about: { generation: 1 } })
  })

  test.each(damages)('cannot do without its root: %s', async (how, damage) => {
    const { chain, place } = await reader()
    await chain.refresh(publisher.read)
    await damage(join(place, 'root.json'))
    const error = await chain.refresh(publisher.read).catch((one) => one)
    expect(error.reason).toBe('folder')
    expect(error.message).toMatch(/root\.json is (damaged|gone).*: remove the folder, and give a root that you trust/)
    expect((await TrustedChain.open(place, undefined, 'stable')) === undefined).toBe(how === 'gone')
  })

  test('holds the old or the new after a crash at any point, and goes on from there', async () => {
    const own = await ChainPublisher.start(join(folder, `keys-${count++}`))
    await own.publish(1)
    const before = join(folder, `reader-${count++}`)
    const chain = (await TrustedChain.open(before, own.files.get('1.root.json'), 'stable'))!
    await chain.refresh(own.read)
    await (await own.ceremony()).change({ role: 'snapshot' })
    await own.publish(2)
    const after = join(folder, `reader-${count++}`)
    await cp(before, after, { recursive: true })
    await (await TrustedChain.open(after, undefined, 'stable'))!.refresh(own.read)
    const state = ['timestamp.json', 'snapshot.json', 'targets.json']
    type Step = (place: string) => Promise<void>
    const steps: Step[] = [
      (place) => cp(join(after, 'root.json'), join(place, 'root.json')),
      ...state.map(
        (name): Step =>
          (place) =>
            cp(join(after, name), join(place, `ahead-${name}`)),
      ),
      ...state.map(
        (name): Step =>
          (place) =>
            rename(join(place, `ahead-${name}`), join(place, name)),
      ),
    ]
    for (let done = 0; done <= steps.length; done++) {
      const place = join(folder, `crash-${done}`)
      await cp(before, place, { recursive: true })
      for (const step of steps.slice(0, done)) await step(place)
      await cp(after, join(place, '.refresh-killed'), { recursive: true })
      const opened = (await TrustedChain.open(place, undefined, 'stable'))!
      expect(await readdir(place)).not.toContain('.refresh-killed')
      expect((await opened.last())?.about).toMatchObject({ generation: done < 4 ? 1 : 2 })
      expect(await refusal(opened, own.read), `after ${done} steps`).toBe('none')
      expect(await opened.last()).toMatchObject({ about: { generation: 2 }, rootVersion: 2 })
      expect((await readdir(place)).sort()).toEqual(['root.json', ...state].sort())
    }
  })

  test('that is full or away is told as it is', async () => {
    const { chain, place } = await reader()
    await rm(place, { recursive: true })
    const error = await chain.refresh(publisher.read).catch((one) => one)
    expect(error.reason).toBe('folder')
  })
})

test('times: what was signed for a year that is over is refused, also of targets', async () => {
  const own = await ChainPublisher.start(join(folder, `keys-${count++}`))
  own.clockMs -= 100 * dayMs
  await own.publish(1)
  own.clockMs = Date.now()
  expect(await own.tree.resign(own.read)).toBeUndefined()
  const place = join(folder, `reader-${count++}`)
  const chain = (await TrustedChain.open(place, own.files.get('1.root.json'), 'stable'))!
  expect(await refusal(chain, own.read)).toBe('expired')
  await own.publish(1)
  expect(await refusal(chain, own.read)).toBe('none')
})
