// Roots and keys: what a reader takes from whom, and how it comes back from a theft.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Metadata, Root } from '@tufjs/models'
import { ChainPublisher, refusal } from '../../test/kit/chain-publisher.ts'
import { makeHolders, type RootHolder } from '../../test/kit/root-holders.ts'
import { dayMs, lifetimes } from '../../test/kit/trust.ts'
import { changeRoot } from './change-root.ts'
import { FileSigner } from './file-signer.ts'
import { encodeMetadata, withSignatures } from './metadata-bytes.ts'
import { type MetadataSource, pollChain } from './poll-chain.ts'
import { RootChain, verifyNext } from './root-chain.ts'
import { parseRoot } from './root-document.ts'
import type { Signature } from './signer.ts'
import { TreeSigner } from './tree-signer.ts'
import { TrustedChain } from './trusted-chain.ts'

let folder: string
let count = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'chain-attacks-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function publisherAt(generation: number): Promise<ChainPublisher> {
  const publisher = await ChainPublisher.start(join(folder, `keys-${count++}`))
  await publisher.publish(generation)
  return publisher
}

async function reader(of: ChainPublisher): Promise<TrustedChain> {
  return (await TrustedChain.open(join(folder, `reader-${count++}`), of.files.get('1.root.json'), 'stable'))!
}

/** Root 2 hands over to a threshold of 2 of 3 holders. */
async function toHolders(publisher: ChainPublisher, holders: readonly RootHolder[]): Promise<void> {
  const ceremony = await publisher.ceremony()
  const local = ceremony.roots.newest!.signed.roles.root!.keyIDs
  const add = holders.map((one) => one.publicKey)
  const { root } = await ceremony.change({ role: 'root', add, remove: local, threshold: 2 })
  await ceremony.install([holders[0]!.sign(root), holders[1]!.sign(root)])
  await publisher.upkeep(1)
}

function nextRoot(publisher: ChainPublisher): Metadata<Root> {
  const newest = publisher.trust.roots.newest!
  return changeRoot(newest, newest.signed.version + 1, [], new Date(Date.now() + 900 * dayMs))
}

describe('a root of 2 of 3 holders', () => {
  const bad = (signature: Signature) => ({ ...signature, sig: signature.sig.replace(/^../, 'ff') })
  const table: [
    string,
    (holders: RootHolder[], root: Metadata<Root>, strangers: RootHolder[]) => Signature[],
    string,
  ][] = [
    ['by two', ([a, b], root) => [a!.signature(root), b!.signature(root)], 'none'],
    ['by all three', (all, root) => all.map((one) => one.signature(root)), 'none'],
    [
      'by two, and one that is none',
      ([a, b, c], root) => [bad(a!.signature(root)), b!.signature(root), c!.signature(root)],
      'none',
    ],
    ['by one', ([a], root) => [a!.signature(root)], 'unsigned'],
    ['by one, and one that is none', ([a, b], root) => [a!.signature(root), bad(b!.signature(root))], 'unsigned'],
    ['by one twice', ([a], root) => [a!.signature(root), a!.signature(root)], 'malformed'],
    [
      'by one under two names',
      ([a, b], root) => [a!.signature(root), { ...a!.signature(root), keyid: b!.id }],
      'unsigned',
    ],
    ['by strangers', (_, root, [x, y]) => [x!.signature(root), y!.signature(root)], 'unsigned'],
    ['by one and a stranger', ([a], root, [x]) => [a!.signature(root), x!.signature(root)], 'unsigned'],
    ['by nobody', () => [], 'unsigned'],
  ]
  test.each(table)('signed %s: readers and the publisher agree', async (_, sign, expected) => {
    const holders = makeHolders(3)
    const publisher = await publisherAt(1)
    await toHolders(publisher, holders)
    const chain = await reader(publisher)
    await chain.refresh(publisher.read)
    const root = nextRoot(publisher)
    const signatures = sign(holders, root, makeHolders(2))
    // As bytes, because one name may stand twice in them.
    const bytes = Buffer.from(JSON.stringify({ signatures, signed: root.signed.toJSON() }))
    expect(await refusal(chain, publisher.with({ '3.root.json': bytes }))).toBe(expected)
    expect(await chain.rootVersion()).toBe(expected === 'none' ? 3 : 2)
    const take = () => verifyNext(publisher.trust.roots.newest, parseRoot(bytes))
    if (expected === 'none') take()
    else expect(take).toThrow(/too few signatures|multiple signatures/)
  })

  test('by the old holders only, or the new ones only, is refused; by both it is taken', async () => {
    const [old, fresh] = [makeHolders(3), makeHolders(3)]
    const publisher = await publisherAt(1)
    await toHolders(publisher, old)
    const change = { role: 'root', add: fresh.map((one) => one.publicKey), remove: old.map((one) => one.id) } as const
    const root = changeRoot(publisher.trust.roots.newest!, 3, [change], new Date(Date.now() + dayMs))
    const by = (...who: RootHolder[]) =>
      encodeMetadata(
        withSignatures(
          root,
          who.map((one) => one.signature(root)),
        ),
      )
    const chain = await reader(publisher)
    expect(await refusal(chain, publisher.with({ '3.root.json': by(old[0]!, old[1]!) }))).toBe('unsigned')
    expect(await refusal(chain, publisher.with({ '3.root.json': by(fresh[0]!, fresh[1]!) }))).toBe('unsigned')
    const both = by(old[0]!, old[1]!, fresh[1]!, fresh[2]!)
    expect(await refusal(chain, publisher.with({ '3.root.json': both }))).toBe('none')
  })
})

test('a root in the place of another is refused', async () => {
  const publisher = await publisherAt(1)
  const chain = await reader(publisher)
  const ceremony = await publisher.ceremony()
  for (const _ of [2, 3]) await ceremony.change({ role: 'root' })
  await publisher.upkeep(1)
  const later = publisher.files.get('3.root.json')!
  expect(await refusal(chain, publisher.with({ '2.root.json': later, '3.root.json': undefined }))).toBe('unsigned')
  const same = await publisherAt(1)
  const other = await reader(same)
  const renewed = await same.ceremony()
  for (const _ of [2, 3]) await renewed.change({ role: 'timestamp' })
  await same.upkeep(1)
  const skipped = same.with({ '2.root.json': same.files.get('3.root.json'), '3.root.json': undefined })
  expect(await refusal(other, skipped)).toBe('mixed')
  expect(await other.rootVersion()).toBe(1)
  expect(await refusal(other, same.read)).toBe('none')
  expect(await other.rootVersion()).toBe(3)
})

test('a timestamp key that was replaced signs nothing any more, and what was held by it does not stand in the way', async () => {
  const publisher = await publisherAt(4)
  const chain = await reader(publisher)
  await chain.refresh(publisher.read)
  const stolen = join(folder, `stolen-${count++}`)
  await cp(publisher.keys, stolen, { recursive: true })
  const before = publisher.files.get('timestamp.json')!
  await (await publisher.ceremony()).change({ role: 'timestamp' })
  await publisher.upkeep(4)
  expect(await refusal(chain, publisher.with({ 'timestamp.json': before }))).toBe('unsigned')
  const thief = new TreeSigner(new FileSigner(stolen), await RootChain.open(join(stolen, 'roots')), lifetimes, Date.now)
  const about = { format: 1, channel: 'stable', generation: 5, createdAtMs: 0 } as const
  const forged = Object.fromEntries((await thief.signContents(about, [])).map(({ name, bytes }) => [name, bytes]))
  expect(await refusal(chain, publisher.with(forged))).toBe('unsigned')
  expect(await refusal(chain, publisher.read)).toBe('none')
  expect(await chain.last()).toMatchObject({ timestampVersion: 2, targetsVersion: 1, rootVersion: 2 })
})

test.each(['snapshot', 'targets'] as const)(
  'a new key of %s alone leads on from the versions of before',
  async (role) => {
    const publisher = await publisherAt(4)
    await publisher.publish(5)
    const chain = await reader(publisher)
    await chain.refresh(publisher.read)
    await (await publisher.ceremony()).change({ role })
    await publisher.upkeep(5)
    expect(await refusal(chain, publisher.read)).toBe('none')
    expect(await chain.last()).toMatchObject({ timestampVersion: 3, targetsVersion: 3, rootVersion: 2 })
  },
)

test('versions driven up by a thief are overcome by a new epoch', async () => {
  const publisher = await publisherAt(4)
  const chain = await reader(publisher)
  const far = Number.MAX_SAFE_INTEGER - 1
  const highest = publisher.trust.signer.highestVersion
  publisher.trust.signer.highestVersion = async () => far
  await publisher.publish(Number.MAX_SAFE_INTEGER)
  publisher.trust.signer.highestVersion = highest
  expect(await refusal(chain, publisher.read)).toBe('none')
  await expect(publisher.publish(5)).rejects.toThrow('not a version')
  const ceremony = await publisher.ceremony()
  const { settled } = await ceremony.beginEpoch({ stable: 4 })
  expect(settled?.replaced).toEqual(['timestamp', 'snapshot', 'targets'])
  expect(await publisher.tree.generationFloor('stable')).toBe(4)
  await publisher.publish(5)
  expect(await refusal(chain, publisher.read)).toBe('none')
  expect(await chain.last()).toMatchObject({ timestampVersion: 1, targetsVersion: 1, about: { generation: 5 } })
})

describe('a source without news', () => {
  test('is believed until the timestamp that it shows is past its time', async () => {
    const publisher = await publisherAt(1)
    const chain = await reader(publisher)
    const source: MetadataSource = async (name, { etag }) => {
      const bytes = await publisher.read(name)
      const tag = name === 'timestamp.json' ? `"${bytes!.length}"` : undefined
      return tag !== undefined && etag === tag ? 'unchanged' : bytes && { bytes, etag: tag }
    }
    const news = await pollChain(chain, source, undefined, Date.now())
    expect(news?.targets.about).toMatchObject({ generation: 1 })
    const poll = (inMs: number) => pollChain(chain, source, news?.etag, Date.now() + inMs)
    expect(await poll(2 * dayMs)).toBeUndefined()
    await expect(poll(4 * dayMs)).rejects.toThrow('its timestamp is expired since')
    expect(await chain.last()).toMatchObject({ about: { generation: 1 } })
  })
})
