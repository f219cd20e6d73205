// The shipped script against metadata and lists that lie: each is told, and the copy stays as it was.

import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test'
import { cp, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { digestOf } from '#blobs/hashing.ts'
import { describeWith } from '../kit/need-tool.ts'
import { bytesOf, type Change, type Forgery, SpoiledTree } from './spoiled-tree.ts'

/** Lists of the new generation may lie there already: nothing names them. */
const shown = ['blobs', 'catalogue', 'metadata', 'trace']

let spoiled: SpoiledTree
beforeAll(async () => {
  spoiled = await SpoiledTree.make()
})
afterAll(() => spoiled[Symbol.asyncDispose]())
beforeEach(() => spoiled.renew())

const everywhere = (change: Change) => ({ targets: change, snapshot: change, timestamp: change })
const addTarget =
  (path: string, length: unknown = 10): Change =>
  (signed) => {
    signed.targets[path] = { length, hashes: { sha256: 'a'.repeat(64) } }
  }

describeWith('metadata that lies', ['rsync'])('metadata that lies', () => {
  const lies: readonly (readonly [string, Forgery, RegExp])[] = [
    [
      'another channel',
      everywhere((one) => void (one.flotilla.channel = 'testing')),
      /of the channel testing, .* is a copy of stable/,
    ],
    ['a lower generation', everywhere((one) => void (one.flotilla.generation = 0)), /names no channel and generation/],
    [
      'a huge generation',
      { timestamp: (one) => void (one.flotilla.generation = 1e20) },
      /names no channel and generation/,
    ],
    ['another format', { timestamp: (one) => void (one.flotilla.format = 2) }, /a newer script is needed/],
    ['targets of another channel', { targets: (one) => void (one.flotilla.channel = 'testing') }, /of another channel/],
    [
      'targets of another generation',
      { targets: (one) => void (one.flotilla.generation = 1) },
      /of another generation/,
    ],
    [
      'endless targets',
      { snapshot: (one) => void (one.meta['targets.json'].length = 1e12) },
      /names targets of 1000000000000 bytes/,
    ],
    [
      'an endless snapshot',
      { timestamp: (one) => void (one.meta['snapshot.json'].length = 1e12) },
      /names a snapshot of/,
    ],
    [
      'a version that is a path',
      { timestamp: (one) => void (one.meta['snapshot.json'].version = '../../x') },
      /names no snapshot/,
    ],
    ['a path that leads out', { targets: addTarget('../../etc/passwd') }, /a wrong path: \.\.\/\.\.\/etc\/passwd/],
    ['one that does so in the middle', { targets: addTarget('lists/../../x') }, /a wrong path/],
    ['an absolute path', { targets: addTarget('/etc/passwd') }, /a wrong path/],
    ['a path with a space', { targets: addTarget('lists/1.gz x') }, /a wrong path/],
    ['a path that is an option', { targets: addTarget('--delete') }, /a wrong path/],
    ['a path with a line feed', { targets: addTarget('lists/1.gz\nx') }, /a wrong path/],
    ['a list that begins where it ends', { targets: addTarget('lists/2-2.gz') }, /a wrong path/],
    ['a list of a later generation', { targets: addTarget('lists/2-3.gz') }, /a list of a later generation/],
    ['a list of a huge number', { targets: addTarget(`lists/${'9'.repeat(30)}.gz`) }, /a wrong path/],
    ['a list without end', { targets: addTarget('lists/2.gz', 1e13) }, /lists\/2\.gz is to have 10000000000000 bytes/],
    ['a list of less than nothing', { targets: addTarget('lists/2.gz', -1) }, /is to have -1 bytes/],
    [
      'no list at all',
      { targets: (one) => void delete one.targets['lists/1.gz'] },
      /no chain of lists leads to generation 2/,
    ],
    ['no pack', { targets: (one) => void delete one.targets['catalogue/2.pack'] }, /no chain of packs/],
  ]
  test.each(lies)('%s', async (_, change, reason) => {
    const before = await spoiled.visible(...shown)
    await spoiled.forge(change)
    expect(await spoiled.run()).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(reason) })
    expect(await spoiled.visible(...shown)).toEqual(before)
  })

  test('an older generation', async () => {
    expect((await spoiled.run()).code).toBe(0)
    const before = await spoiled.visible()
    spoiled.from = join(spoiled.root, 'older')
    await cp(join(spoiled.base, 'tree'), spoiled.from, { recursive: true })
    await spoiled.forge(everywhere((one) => void (one.flotilla.generation = 1)))
    expect(await spoiled.run()).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('has generation 1, here is 2 already'),
    })
    expect(await spoiled.visible()).toEqual(before)
  })

  test('metadata that is no JSON, is too large, or is not what was named', async () => {
    const before = await spoiled.visible()
    const path = join(spoiled.from, 'metadata/timestamp.json')
    const good = await readFile(path)
    await writeFile(path, good.subarray(0, 200))
    expect((await spoiled.run()).stderr).toContain('timestamp.json is refused: it is no JSON')
    await truncate(path, 100_000)
    expect((await spoiled.run()).stderr).toContain('larger than 65536 bytes')
    await truncate(path, 1e12)
    expect((await spoiled.run()).stderr).toContain('has no timestamp.json')
    await writeFile(path, good)
    const targets = join(spoiled.from, 'metadata/2.targets.json')
    await writeFile(targets, (await readFile(targets, 'utf8')).replace('"format":1', '"format":2'))
    expect((await spoiled.run()).stderr).toMatch(/given up after 3 attempts: 2\.targets\.json has not the digest/)
    expect(await spoiled.visible()).toEqual(before)
  })

  const writeRoot = (version: number, text: string) =>
    writeFile(join(spoiled.from, 'metadata', `${version}.root.json`), text)

  test('roots without end', async () => {
    const before = await spoiled.visible(...shown)
    for (let version = 2; version <= 300; version++)
      await writeRoot(version, JSON.stringify({ signed: { _type: 'root', version } }))
    expect(await spoiled.run()).toMatchObject({ code: 1, stderr: expect.stringContaining('more than 256 new roots') })
    expect(await spoiled.visible(...shown)).toEqual(before)
  })

  test.each([
    ['a page of a server that has one for everything', '<html>', /2\.root\.json is refused: it is no JSON/],
    [
      'a root of another number',
      '{"signed":{"_type":"root","version":3}}',
      /2\.root\.json is refused: it is no root of/,
    ],
  ])('as a root %s', async (_, text, reason) => {
    const before = await spoiled.visible(...shown)
    await writeRoot(2, text)
    expect(await spoiled.run()).toMatchObject({ code: 1, stderr: expect.stringMatching(reason) })
    expect(await spoiled.visible(...shown)).toEqual(before)
  })

  test('a harmless name that is not known here is left out', async () => {
    await spoiled.forge({ targets: addTarget('later/thing.bin') })
    expect(await spoiled.run()).toMatchObject({ code: 0, stderr: '' })
  })
})

describeWith('lists that lie', ['rsync'])('lists that lie', () => {
  const line = (sign: string, digest: string, more = '5 2') => `${sign}${digest} ${more}\n`
  const hex = (letter: string) => `sha256:${letter.repeat(64)}`
  const header = (lines: number) => `flotilla-list 1 stable 1 2 ${lines}\n`
  const lists: readonly (readonly [string, string, RegExp])[] = [
    ['a digest that is a path', header(1) + line('+ ', `sha256:../../${'a'.repeat(58)}`), /a line of a wrong form/],
    ['a digest that is too short', header(1) + line('+ ', 'sha256:aa'), /a line of a wrong form/],
    ['a size that is none', header(1) + line('+ ', hex('a'), '-1 2'), /a line of a wrong form/],
    ['a huge size', header(1) + line('+ ', hex('a'), `${'9'.repeat(30)} 2`), /a line of a wrong form/],
    ['a later generation', header(1) + line('+ ', hex('a'), '5 3'), /a generation that cannot be/],
    ['no sign', header(1) + line('', hex('a')), /a line without its sign/],
    ['no order', header(2) + line('+ ', hex('b')) + line('+ ', hex('a')), /not sorted/],
    ['a digest twice', header(2) + line('+ ', hex('a')) + line('- ', hex('a')), /not sorted/],
    ['fewer lines than it says', header(2) + line('+ ', hex('a')), /1 lines instead of 2/],
    ['another channel', `flotilla-list 1 testing 1 2 1\n${line('+ ', hex('a'))}`, /a list of something else/],
    ['another format', `flotilla-list 2 stable 1 2 1\n${line('+ ', hex('a'))}`, /a newer script is needed/],
    ['no header', line('+ ', hex('a')), /no header/],
    ['a line without end', header(1) + 'a'.repeat(10_000_000), /a line without its sign/],
    ['lines without end', header(999_999) + line('+ ', hex('a')) + `+ ${hex('b')} 5 2\n`.repeat(99), /not sorted/],
  ]
  const listed = async (bytes: Buffer) => {
    await writeFile(join(spoiled.from, 'lists/1-2.gz'), bytes)
    await spoiled.forge({
      targets: (signed) => {
        signed.targets['lists/1-2.gz'] = { length: bytes.length, hashes: { sha256: digestOf(bytes).slice(7) } }
      },
    })
  }
  test.each(lists)('%s', async (_, text, reason) => {
    const before = await spoiled.visible(...shown)
    await listed(gzipSync(text))
    expect(await spoiled.run()).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(reason) })
    expect(await spoiled.visible(...shown)).toEqual(before)
  })

  test('a packed list that was cut short, also within its last number', async () => {
    const bytes = gzipSync(header(1) + line('+ ', spoiled.second, `${bytesOf('second').length} 2`))
    await listed(bytes.subarray(0, -12))
    expect(await spoiled.run()).toMatchObject({ code: 1, stderr: expect.stringMatching(/lists\/1-2\.gz is refused/) })
  })

  test('what it says is shown without anything that a terminal obeys', async () => {
    await listed(gzipSync(`${header(1)}+ \u001b]0;hello\u0007\u009b2J sha256:x 1\n`))
    const { code, stderr } = await spoiled.run()
    expect([code, stderr]).toEqual([1, expect.stringContaining('of a wrong form: + ?]0;hello?')])
    expect(stderr).toMatch(/^[\n -~]+$/)
  })

  test('a list of another size than was named is not even read', async () => {
    await writeFile(join(spoiled.from, 'lists/1-2.gz'), Buffer.alloc(1_000_000))
    expect(await spoiled.run()).toMatchObject({ code: 1, stderr: expect.stringContaining('or has in another size') })
  })
})
