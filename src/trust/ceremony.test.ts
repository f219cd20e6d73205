import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ChainPublisher, refusal } from '../../test/kit/chain-publisher.ts'
import { makeHolders, type RootHolder } from '../../test/kit/root-holders.ts'
import { dayMs, lifetimes, openTestTrust } from '../../test/kit/trust.ts'
import { Ceremony } from './ceremony.ts'
import { describeChange } from './describe-change.ts'
import { ensureKey, FileSigner } from './file-signer.ts'
import { encodeMetadata } from './metadata-bytes.ts'
import { openTrust, rootsFolder } from './open-trust.ts'
import { keyIdOf } from './public-key.ts'
import { RootChain } from './root-chain.ts'
import { trustRoles } from './signed-document.ts'
import { TrustedChain } from './trusted-chain.ts'

let folder: string
let count = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ceremony-'))
})
afterAll(() => rm(folder, { recursive: true }))

const newPlace = () => join(folder, String(count++))

async function openAt(place: string, now: () => number = Date.now): Promise<Ceremony> {
  const parts = { folder: place, rootsFolder: rootsFolder(place), signer: undefined, rootMs: lifetimes.rootMs, now }
  return await Ceremony.open(parts)
}

/** A publisher whose root asks for 2 of 3 holders. */
async function heldPublisher(): Promise<{ publisher: ChainPublisher; holders: RootHolder[]; ceremony: Ceremony }> {
  const publisher = await ChainPublisher.start(newPlace())
  const holders = makeHolders(3)
  const ceremony = await publisher.ceremony()
  const remove = ceremony.roots.newest!.signed.roles.root!.keyIDs
  const { root } = await ceremony.change({
    role: 'root',
    add: holders.map((one) => one.publicKey),
    remove,
    threshold: 2,
  })
  await ceremony.install(holders.slice(1).map((one) => one.sign(root)))
  await publisher.upkeep(1)
  return { publisher, holders, ceremony }
}

const keyFiles = async (place: string) => (await readdir(place)).filter((name) => name.includes('.key')).sort()

describe('the first root', () => {
  test('is made of keys here', async () => {
    const place = newPlace()
    const { signatures, settled } = await (await openAt(place)).begin([], 1)
    expect(signatures.isComplete).toBe(true)
    expect(settled).toEqual({ replaced: [], deleted: [] })
    expect(await keyFiles(place)).toEqual(trustRoles.map((role) => `${role}.key`).sort())
    await expect((await openAt(place)).begin([], 1)).rejects.toThrow('there is a root already')
  })

  test('of holders waits for them, and nothing is signed before; asked for again it keeps what it has', async () => {
    const place = newPlace()
    const holders = makeHolders(3)
    const keys = holders.map((one) => one.publicKey)
    const { root, settled } = await (await openAt(place)).begin(keys, 2)
    expect(settled).toBeUndefined()
    expect(await keyFiles(place)).toEqual(['snapshot.key', 'targets.key', 'timestamp.key'])
    await expect(openTestTrust(place)).rejects.toThrow('the first root waits for signatures at')
    await (await openAt(place)).install([holders[0]!.sign(root)])
    const again = await (await openAt(place)).begin(keys.toReversed(), 2)
    expect(again.signatures.needs).toMatchObject([{ by: 'itself', threshold: 2, signed: [holders[0]!.id] }])
    await expect(
      (await openAt(place)).begin(
        makeHolders(1).map((one) => one.publicKey),
        1,
      ),
    ).rejects.toThrow('of other keys')
    const done = await (await openAt(place)).install([holders[2]!.sign(root)])
    expect(done.settled).toBeDefined()
    expect((await openTestTrust(place)).isFirstStart).toBe(false)
  })

  test.each([0, 4])('of 3 holders cannot ask for %d', async (threshold) => {
    const keys = makeHolders(3).map((one) => one.publicKey)
    const place = newPlace()
    await expect((await openAt(place)).begin(keys, threshold)).rejects.toThrow(`${threshold} of 3 keys cannot sign`)
  })
})

describe('a change', () => {
  test('by a key here is in force at once, and the old key is gone', async () => {
    const publisher = await ChainPublisher.start(newPlace())
    const before = await Promise.all(trustRoles.map((role) => ensureKey(publisher.keys, role)))
    const ceremony = await publisher.ceremony()
    for (const role of trustRoles) expect((await ceremony.change({ role })).settled?.replaced).toEqual([role])
    const after = await Promise.all(trustRoles.map((role) => ensureKey(publisher.keys, role)))
    expect(new Set([...before, ...after].map(keyIdOf)).size).toBe(8)
    expect(await keyFiles(publisher.keys)).toEqual(trustRoles.map((role) => `${role}.key`).sort())
    await publisher.publish(1)
    const chain = await TrustedChain.open(newPlace(), publisher.files.get('1.root.json'), 'stable')
    expect(await refusal(chain!, publisher.read)).toBe('none')
  })

  test('moves root to holders: its key leaves the machine with the last signature, not before', async () => {
    const { publisher } = await heldPublisher()
    expect(await keyFiles(publisher.keys)).toEqual(['snapshot.key', 'targets.key', 'timestamp.key'])
    expect(await readdir(publisher.keys)).not.toContain('next.root.json')
  })

  test('adds up with those that wait, and loses the signatures over what was', async () => {
    const { holders, ceremony } = await heldPublisher()
    const first = await ceremony.change({ role: 'timestamp' })
    const kept = await ceremony.install([holders[0]!.sign(first.root)])
    expect(kept.signatures.needs.map(({ signed }) => signed)).toEqual([[holders[0]!.id], [holders[0]!.id]])
    const both = await ceremony.change({ role: 'targets' })
    expect(both.signatures.needs.map(({ signed }) => signed)).toEqual([[], []])
    expect(describeChange(both.before!, both.root).filter((one) => one.includes('is added'))).toHaveLength(2)
    await expect(ceremony.install([holders[1]!.sign(first.root)])).rejects.toThrow('proposes another root 3')
    const done = await ceremony.install(holders.slice(0, 2).map((one) => one.sign(both.root)))
    expect(done.settled?.replaced).toEqual(['timestamp', 'targets'])
  })

  test('that cannot be is refused, and leaves nothing behind', async () => {
    const { publisher, holders, ceremony } = await heldPublisher()
    const [a] = holders
    const stranger = makeHolders(1)[0]!
    const table: [string, Parameters<Ceremony['change']>[0], RegExp][] = [
      ['a key that is there', { role: 'root', add: [a!.publicKey] }, /signs for root already/],
      ['one key for two roles', { role: 'targets', add: [a!.publicKey] }, /targets needs its own/],
      ['a key that is not there', { role: 'root', remove: ['abcdef'] }, /is no key of root; they are/],
      ['an id that is too short', { role: 'root', remove: [a!.id.slice(0, 3)] }, /is no key of root/],
      ['too few left', { role: 'root', remove: holders.slice(0, 2).map((one) => one.id) }, /2 of 1 keys cannot sign/],
      ['a threshold of none', { role: 'root', threshold: 0 }, /0 of 3 keys/],
      ['a threshold of all and one', { role: 'root', threshold: 4 }, /4 of 3 keys/],
      ['two timestamps', { role: 'timestamp', add: [stranger.publicKey], threshold: 2 }, /its threshold is 1/],
      ['a root key here', { role: 'root' }, /no key of root lies here/],
    ]
    for (const [name, change, message] of table) await expect(ceremony.change(change), name).rejects.toThrow(message)
    expect(await readdir(publisher.keys)).not.toContain('next.root.json')
  })

  test('of keys that a signer elsewhere holds needs their public parts', async () => {
    const place = newPlace()
    for (const role of trustRoles) await ensureKey(place, role)
    const signer = new FileSigner(place)
    const parts = { folder: newPlace(), rootsFolder: newPlace(), signer, rootMs: lifetimes.rootMs, now: Date.now }
    const ceremony = await Ceremony.open(parts)
    await ceremony.begin([], 1)
    await expect(ceremony.change({ role: 'targets' })).rejects.toThrow('--add FILE.pub.json --remove ID')
    const [added] = makeHolders(1)
    expect((await ceremony.change({ role: 'targets', add: [added!.publicKey] })).settled).toBeDefined()
  })
})

describe('a crash', () => {
  test('between a root and its keys: nothing is signed by a key that it does not name, and the next look mends it', async () => {
    const { publisher, holders, ceremony } = await heldPublisher()
    const { root } = await ceremony.change({ role: 'timestamp' })
    const signed = holders[1]!.sign(holders[0]!.sign(root))
    await (await RootChain.open(rootsFolder(publisher.keys))).install(encodeMetadata(signed))
    await expect(publisher.publish(2)).rejects.toThrow('timestamp 2 was not signed as root 3 asks')
    expect(await keyFiles(publisher.keys)).toContain('timestamp.key.next')
    await publisher.upkeep(2)
    expect(await keyFiles(publisher.keys)).not.toContain('timestamp.key.next')
    await publisher.publish(2)
    const restarted = await openTrust(publisher.keys, { ...lifetimes, now: Date.now })
    expect(restarted.roots.newest?.signed.version).toBe(3)
  })

  test('before the proposal: the key that was made is the one that is proposed next', async () => {
    const { publisher, ceremony } = await heldPublisher()
    await ceremony.change({ role: 'snapshot' })
    const made = await readFile(join(publisher.keys, 'snapshot.key.next'), 'utf8')
    await rm(join(publisher.keys, 'next.root.json'))
    await publisher.upkeep(1)
    const again = await (await publisher.ceremony()).change({ role: 'snapshot' })
    expect(await readFile(join(publisher.keys, 'snapshot.key.next'), 'utf8')).toBe(made)
    expect(again.root.signed.roles.snapshot!.keyIDs).toHaveLength(1)
  })

  test('a proposal that is damaged deletes no key and stops no start', async () => {
    const publisher = await ChainPublisher.start(newPlace())
    const files = await keyFiles(publisher.keys)
    await writeFile(join(publisher.keys, 'next.root.json'), '{')
    await openTestTrust(publisher.keys)
    expect(await keyFiles(publisher.keys)).toEqual(files)
    await expect((await publisher.ceremony()).renew()).rejects.toThrow('not a TUF root')
  })
})

describe('renewal', () => {
  test('by itself in the last quarter of its life, when the key is here', async () => {
    const publisher = await ChainPublisher.start(newPlace())
    publisher.clockMs += 500 * dayMs
    expect(await publisher.trust.upkeep()).toBeUndefined()
    publisher.clockMs += 100 * dayMs
    expect(await publisher.trust.upkeep()).toBe(2)
    expect(await publisher.trust.upkeep()).toBeUndefined()
    const [before, after] = publisher.trust.roots.files.map(({ root }) => Date.parse(root.signed.expires))
    expect(after! - before!).toBeGreaterThan(599 * dayMs)
  })

  test('waits for holders, and keeps its hands off what they have before them', async () => {
    const { publisher, ceremony } = await heldPublisher()
    publisher.clockMs += 700 * dayMs
    expect(await publisher.trust.upkeep()).toBeUndefined()
    expect((await ceremony.renew()).settled).toBeUndefined()
    const local = await ChainPublisher.start(newPlace())
    const own = await local.ceremony()
    await own.change({ role: 'root', add: makeHolders(1).map((one) => one.publicKey), threshold: 2 })
    local.clockMs += 700 * dayMs
    expect(await local.trust.upkeep()).toBeUndefined()
    expect(await own.proposal()).toBeDefined()
  })
})

describe('an epoch', () => {
  test('begins above what was, and only with keys that are new', async () => {
    const publisher = await ChainPublisher.start(newPlace())
    await publisher.publish(9)
    const ceremony = await publisher.ceremony()
    const first = await ceremony.beginEpoch({ stable: 120 })
    expect(describeChange(first.before!, first.root)).toContain(
      'generations of stable up to 120 are over: the next one is higher',
    )
    expect(await publisher.tree.generationFloor('stable')).toBe(120)
    expect(await publisher.tree.generationFloor('constructor')).toBe(0)
    await expect(ceremony.beginEpoch({ stable: 119 })).rejects.toThrow('lies before 120')
    const second = await ceremony.beginEpoch({ testing: 3 })
    expect(await publisher.tree.generationFloor('stable')).toBe(120)
    expect(second.root.signed.version).toBe(3)
  })

  test('asked for twice while it waits is one', async () => {
    const { holders, ceremony } = await heldPublisher()
    await ceremony.beginEpoch({ stable: 5 })
    const { root } = await ceremony.beginEpoch({ stable: 6 })
    const done = await ceremony.install([holders[0]!.sign(root), holders[2]!.sign(root)])
    expect(done.settled?.replaced).toEqual(['timestamp', 'snapshot', 'targets'])
    expect(describeChange(done.before!, done.root)).toContain('epoch 2 begins, before 1')
  })
})
