// The shipped script against sources that lie, fail or stop, and on disks that are full: each is told, and the copy stays as it was.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { digestOf } from '#blobs/hashing.ts'
import { blobPath, type Digest } from '#oci/digest.ts'
import { describeWith, unlessRoot } from '../kit/need-tool.ts'
import { mustRun } from '../kit/process.ts'
import { PublishedTree } from '../kit/published-tree.ts'
import { blobsIn, lackedBlobs, runScript, traceGeneration } from '../kit/rsync-script.ts'

const host = 'mirror.example.org'
const bytesOf = (text: string) => new TextEncoder().encode(text.repeat(3000))
const attempts = { FLOTILLA_ATTEMPTS: '3' }

let root: string
/** Generation 1, copied to `copy`, and generation 2, which the tests spoil. */
let base: string
let first: Digest
let second: Digest
let from: string
let to: string
let count = 0

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rsync-script-faults-'))
  base = join(root, 'base')
  const tree = await PublishedTree.make(join(base, 'tree'), join(base, 'keys'))
  first = await tree.add(bytesOf('first'))
  await tree.publish()
  expect(await runScript([tree.folder, join(base, 'copy'), host])).toMatchObject({ code: 0, stderr: '' })
  second = await tree.add(bytesOf('second'))
  await tree.publish()
})
afterAll(() => rm(root, { recursive: true }))
beforeEach(async () => {
  const folder = join(root, `${++count}`)
  await cp(base, folder, { recursive: true, preserveTimestamps: true })
  from = join(folder, 'tree')
  to = join(folder, 'copy')
})

const run = (sources: readonly string[] = [], env: Record<string, string> = {}) =>
  runScript([...sources.flatMap((one) => ['--source', one]), from, to, host], { env: { ...attempts, ...env } })

/** Everything that others see of the copy. */
async function visible(): Promise<string[]> {
  const names = await readdir(to, { recursive: true, withFileTypes: true })
  const files = names.filter((one) => one.isFile() && !join(one.parentPath, one.name).includes('.flotilla-rsync'))
  return Promise.all(
    files.map(async (one) => {
      const path = join(one.parentPath, one.name)
      return `${path} ${digestOf(await readFile(path))}`
    }),
  ).then((lines) => lines.sort())
}

/** Lists of the new generation may lie there already: nothing names them. */
const withoutLists = (lines: readonly string[]) => lines.filter((one) => !one.includes('/lists/'))

// biome-ignore lint/suspicious/noExplicitAny: JSON that the tests spoil on purpose.
type Change = (value: Record<string, any>) => void

/** Rewrites the metadata as somebody on the way might: lengths and digests agree, signatures do not. */
async function forge(change: { targets?: Change; snapshot?: Change; timestamp?: Change }): Promise<void> {
  const path = (name: string) => join(from, 'metadata', name)
  const edit = async (name: string, about: Change | undefined) => {
    const value = JSON.parse(await readFile(path(name), 'utf8'))
    about?.(value.signed)
    const bytes = Buffer.from(JSON.stringify(value))
    await writeFile(path(name), bytes)
    return { length: bytes.length, hashes: { sha256: digestOf(bytes).slice(7) } }
  }
  const targets = await edit('2.targets.json', change.targets)
  const snapshot = await edit('2.snapshot.json', (signed) => {
    Object.assign(signed.meta['targets.json'], targets)
    change.snapshot?.(signed)
  })
  await edit('timestamp.json', (signed) => {
    Object.assign(signed.meta['snapshot.json'], snapshot)
    change.timestamp?.(signed)
  })
}

const everywhere = (change: Change) => ({ targets: change, snapshot: change, timestamp: change })
const addTarget =
  (path: string, length: unknown = 10): Change =>
  (signed) => {
    signed.targets[path] = { length, hashes: { sha256: 'a'.repeat(64) } }
  }

describeWith('metadata that lies', ['rsync'])('metadata that lies', () => {
  const lies: readonly (readonly [string, Parameters<typeof forge>[0], RegExp])[] = [
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
    const before = await visible()
    await forge(change)
    expect(await run()).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(reason) })
    expect(withoutLists(await visible())).toEqual(withoutLists(before))
  })

  test('an older generation', async () => {
    expect((await run()).code).toBe(0)
    const before = await visible()
    from = join(root, 'older')
    await cp(join(base, 'tree'), from, { recursive: true })
    await forge(everywhere((one) => void (one.flotilla.generation = 1)))
    expect(await run()).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('has generation 1, here is 2 already'),
    })
    expect(await visible()).toEqual(before)
  })

  test('metadata that is no JSON, is too large, or is not what was named', async () => {
    const before = await visible()
    const path = join(from, 'metadata/timestamp.json')
    const good = await readFile(path)
    await writeFile(path, good.subarray(0, 200))
    expect((await run()).stderr).toContain('timestamp.json is refused: it is no JSON')
    await truncate(path, 100_000)
    expect((await run()).stderr).toContain('larger than 65536 bytes')
    await truncate(path, 1e12)
    expect((await run()).stderr).toContain('has no timestamp.json')
    await writeFile(path, good)
    const targets = join(from, 'metadata/2.targets.json')
    await writeFile(targets, (await readFile(targets, 'utf8')).replace('"format":1', '"format":2'))
    expect((await run()).stderr).toMatch(/given up after 3 attempts: 2\.targets\.json has not the digest/)
    expect(await visible()).toEqual(before)
  })

  test('a harmless name that is not known here is left out', async () => {
    await forge({ targets: addTarget('later/thing.bin') })
    expect(await run()).toMatchObject({ code: 0, stderr: '' })
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
    await writeFile(join(from, 'lists/1-2.gz'), bytes)
    await forge({
      targets: (signed) => {
        signed.targets['lists/1-2.gz'] = { length: bytes.length, hashes: { sha256: digestOf(bytes).slice(7) } }
      },
    })
  }
  test.each(lists)('%s', async (_, text, reason) => {
    const before = withoutLists(await visible())
    await listed(gzipSync(text))
    expect(await run()).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(reason) })
    expect(withoutLists(await visible())).toEqual(before)
  })

  test('a packed list that was cut short, also within its last number', async () => {
    const bytes = gzipSync(header(1) + line('+ ', second, `${bytesOf('second').length} 2`))
    await listed(bytes.subarray(0, -12))
    expect(await run()).toMatchObject({ code: 1, stderr: expect.stringMatching(/lists\/1-2\.gz is refused/) })
  })

  test('a list of another size than was named is not even read', async () => {
    await writeFile(join(from, 'lists/1-2.gz'), Buffer.alloc(1_000_000))
    expect(await run()).toMatchObject({ code: 1, stderr: expect.stringContaining('or has in another size') })
  })
})

describeWith('a source in motion', ['rsync'])('a source in motion', () => {
  test('that lacks a blob: the list is fetched again, and then it is given up', async () => {
    await rm(join(from, blobPath(second)))
    const metadata = async () => (await visible()).filter((one) => /\/(metadata|trace|blobs)\//.test(one))
    const before = await metadata()
    const reason = /given up after 3 attempts: .*lacks.* 1 files/
    expect(await run()).toMatchObject({ code: 1, stderr: expect.stringMatching(reason) })
    expect(await metadata()).toEqual(before)
  })

  test('another source has it', async () => {
    const whole = join(root, 'whole')
    await cp(from, whole, { recursive: true })
    await rm(join(from, blobPath(second)))
    expect(await run([whole])).toMatchObject({ code: 0, stderr: '' })
    expect(await lackedBlobs(to, [first, second])).toEqual([])
  })

  test('wrong bytes are never seen, and who sends them twice is named', async () => {
    await writeFile(join(from, blobPath(second)), 'x'.repeat(bytesOf('second').length))
    const ended = await run()
    expect(ended).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('sent wrong bytes twice and is not asked any more'),
    })
    expect(await blobsIn(to)).toEqual([first])
    const whole = join(root, 'right')
    await cp(join(base, 'tree'), whole, { recursive: true })
    expect(await run([whole])).toMatchObject({
      code: 0,
      stderr: expect.stringContaining(`${from} sent wrong bytes for 1 files`),
    })
    expect(await lackedBlobs(to, [first, second])).toEqual([])
  })

  test('a blob of another length', async () => {
    await writeFile(join(from, blobPath(second)), 'short')
    expect((await run()).code).toBe(1)
    await writeFile(join(from, blobPath(second)), 'x'.repeat(bytesOf('second').length + 1))
    expect((await run()).code).toBe(1)
    expect(await blobsIn(to)).toEqual([first])
    await cp(join(base, 'tree'), from, { recursive: true })
    expect(await run()).toMatchObject({ code: 0, stderr: '' })
    expect(await lackedBlobs(to, [first, second])).toEqual([])
  })

  test('no source at all', async () => {
    const whole = from
    const before = await visible()
    from = 'rsync://127.0.0.1:1/none'
    expect(await run()).toMatchObject({ code: 1, stderr: expect.stringContaining('the copy is as it was') })
    expect(await visible()).toEqual(before)
    expect(await run([whole])).toMatchObject({ code: 0, stderr: '' })
  })

  test('an interrupted file goes on where it was', async () => {
    const incoming = join(to, '.flotilla-rsync/incoming', blobPath(second))
    await mkdir(join(incoming, '..'), { recursive: true })
    await writeFile(incoming, bytesOf('second').subarray(0, 5000))
    const { code, stderr } = await run([], { RSYNC_OPTIONS: '--stats' })
    expect([code, stderr]).toEqual([0, ''])
    expect(await lackedBlobs(to, [first, second])).toEqual([])
  })
})

describeWith(
  'disks',
  ['rsync'],
  unlessRoot(),
)('disks', () => {
  test.each([128, 300])('a full disk of %d KiB loses nothing', async (size) => {
    const mounted = join(root, `small-${size}`)
    await mkdir(mounted)
    await mustRun('mount', ['-t', 'tmpfs', '-o', `size=${size}k`, 'tmpfs', mounted])
    try {
      await cp(to, join(mounted, 'copy'), { recursive: true, preserveTimestamps: true })
      to = join(mounted, 'copy')
      const filler = await tryToAdd(from)
      const ended = await run()
      expect(ended.code).toBe(1)
      expect(await traceGeneration(to, host)).toBe(1)
      expect(await lackedBlobs(to, [first])).toEqual([])
      await rm(join(from, blobPath(filler)))
    } finally {
      await mustRun('umount', [mounted])
    }
  })

  test('a disk that nobody may write to', async () => {
    await mustRun('mount', ['--bind', to, to])
    await mustRun('mount', ['-o', 'remount,bind,ro', to])
    try {
      expect(await run()).toMatchObject({ code: 1, stderr: expect.stringContaining('cannot write to') })
    } finally {
      await mustRun('umount', [to])
    }
    expect(await run()).toMatchObject({ code: 0, stderr: '' })
  })
})

/** Generation 3 of the same keys, with a blob that is larger than a small disk. */
async function tryToAdd(folder: string): Promise<Digest> {
  const tree = await PublishedTree.make(folder, join(folder, '../keys'))
  const big = await tree.add(new TextEncoder().encode(Math.random().toString(36).repeat(40_000)))
  for (const digest of [first, second])
    tree.blobs.set(digest, {
      digest,
      sizeBytes: (await readFile(join(folder, blobPath(digest)))).length,
      generation: 1,
    })
  tree.generation = 2
  await tree.publish({ isCheckpoint: true })
  return big
}

describe('a clock that is wrong', () => {
  test('deletes nothing and says so', async () => {
    await forge({ timestamp: (signed) => void (signed.expires = '2020-01-01T00:00:00Z') })
    const ended = await runScript(['--grace-days', '0', from, to, host])
    expect(ended).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/has expired on 2020.*\n.*nothing is deleted/),
    })
    expect(await readdir(join(to, 'catalogue'))).toContain('1.pack')
  })
})

describe('a lock', () => {
  test.each([
    ['of a process that is no more', '999999999'],
    ['of a process that is another program now', '1'],
    ['of nobody', ''],
  ])('%s does not stay', async (_, pid) => {
    await writeFile(join(to, '.flotilla-rsync/lock'), pid)
    expect(await run()).toMatchObject({ code: 0, stderr: '' })
  })
})
