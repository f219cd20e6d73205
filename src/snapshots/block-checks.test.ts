import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdir, mkdtemp, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { makeDigest } from '#oci/digest.ts'
import {
  blockKey,
  checksOf,
  numberedDigest,
  openCheckFolder,
  otherBlockKey,
  recordOf,
} from '../../test/kit/check-files.ts'
import { BlockChecks } from './block-checks.ts'
import { type CheckFiles, CheckFilesRefused, parseCheckFiles } from './check-files.ts'
import { encodeRecord, recordBytes } from './check-record.ts'
import { BlockChecksFollower } from './follow-block-checks.ts'
import { CheckFileDamaged, writeCheckFile } from './write-check-file.ts'

type Key = typeof blockKey

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'check-files-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))
let count = 0
async function newFolder(): Promise<string> {
  const folder = join(root, `${++count}`)
  await mkdir(join(folder, 'block-checks'), { recursive: true })
  return folder
}

const told = (checks: Uint8Array) => Buffer.from(checks).toString()
const found = async (checks: { find: BlockChecks<Key>['find'] }, n: number) => {
  const known = await checks.find(numberedDigest(n))
  return known && told(known.checks)
}
const follow = (folder: string, findKey: () => Promise<Key | undefined> = async () => blockKey) =>
  new BlockChecksFollower({ folder, channel: 'stable', findKey })

/** A folder with blobs 0 to `count`, a batch each. */
async function filled(...batches: readonly number[]): Promise<{ folder: string; state: CheckFiles }> {
  const folder = await newFolder()
  const files = openCheckFolder(folder)
  let state = await files.load()
  let next = 0
  for (const size of batches) {
    const records = Array.from({ length: size }, () => recordOf(next++))
    state = await files.add({ ...state, generation: state.generation + 1, digest: numberedDigest(next) }, records)
  }
  return { folder, state }
}

describe('a look-up', () => {
  test('finds what a map would, in files of any number and size; the newest of a blob counts', async () => {
    const batches = fc.array(fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 150 }), { maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(batches, async (wanted) => {
        const folder = await newFolder()
        const files = openCheckFolder(folder)
        let state = await files.load()
        const twin = new Map<number, string>()
        for (const [version, numbers] of wanted.entries()) {
          const once = [...new Set(numbers)]
          for (const n of once) twin.set(n, told(checksOf(n, version)))
          state = await files.add(
            { ...state, digest: 'x' },
            once.map((n) => recordOf(n, version)),
          )
        }
        await using checks = await BlockChecks.open(folder, state, blockKey)
        for (let n = 0; n <= 400; n += 7) expect(await found(checks, n)).toBe(twin.get(n) as string)
        for (const n of twin.keys()) expect(await found(checks, n)).toBe(twin.get(n) as string)
      }),
      { numRuns: 15 },
    )
  })

  test('ends where names are not spread evenly', async () => {
    const folder = await newFolder()
    // All but a few share their first bytes: a guess by value is always wrong.
    const names = Array.from({ length: 5_000 }, (_, n) =>
      makeDigest('sha256', `${n < 4_990 ? '00000000000000' : 'ff'}${n.toString(16).padStart(50, '0')}`.padEnd(64, '0')),
    )
    const records = names.map((digest, n) => encodeRecord(digest, checksOf(n), blockKey))
    const file = await writeCheckFile(folder, [], records)
    await using checks = await BlockChecks.open(folder, { files: [file] } as unknown as CheckFiles, blockKey)
    for (const n of [0, 1, 63, 64, 2_500, 4_989, 4_990, 4_999])
      expect(told((await checks.find(names[n]!))!.checks)).toBe(told(checksOf(n)))
    expect(await checks.find(makeDigest('sha256', '1'.repeat(64)))).toBeUndefined()
  })

  test('knows blobs of other algorithms by the begin of their digest', async () => {
    const folder = await newFolder()
    const digest = makeDigest('sha512', 'cd'.repeat(64))
    const file = await writeCheckFile(folder, [], [encodeRecord(digest, checksOf(5), blockKey)])
    await using checks = await BlockChecks.open(folder, { files: [file] } as unknown as CheckFiles, blockKey)
    expect(told((await checks.find(digest))!.checks)).toBe(told(checksOf(5)))
  })
})

describe('files', () => {
  test('of many blobs are few, and one more blob writes next to nothing', async () => {
    const folder = await newFolder()
    const files = openCheckFolder(folder)
    let state = await files.add(
      { ...(await files.load()), generation: 1, digest: 'x' },
      Array.from({ length: 20_000 }, (_, n) => recordOf(n)),
    )
    const [base] = state.files
    for (let n = 20_000; n < 20_300; n++) state = await files.add({ ...state, generation: n }, [recordOf(n)])
    expect(state.files[0]).toEqual(base!)
    expect(state.files.length).toBeLessThanOrEqual(10)
    expect(state.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)).toBe(20_300 * recordBytes)
    await using checks = await BlockChecks.open(folder, state, blockKey)
    for (const n of [0, 19_999, 20_000, 20_299]) expect(await found(checks, n)).toBe(told(checksOf(n)))
  })

  test('are not merged when one is not what was written', async () => {
    const { folder, state } = await filled(500)
    const path = join(folder, state.files[0]!.path)
    const bytes = await readFile(path)
    bytes[recordBytes * 250]! ^= 1
    await writeFile(path, bytes)
    const more = Array.from({ length: 600 }, (_, n) => recordOf(1_000 + n))
    await expect(openCheckFolder(folder).add(state, more)).rejects.toThrow(CheckFileDamaged)
    await rm(path)
    await expect(openCheckFolder(folder).add(state, more)).rejects.toThrow(CheckFileDamaged)
  })
})

describe('a front door follows', () => {
  test('news, while look-ups in what was before go on', async () => {
    const { folder, state } = await filled(2_000)
    const follower = follow(folder)
    await follower.step()
    const running = Array.from({ length: 200 }, (_, n) => found(follower, n))
    await openCheckFolder(folder).add({ ...state, generation: 2 }, [recordOf(5_000), recordOf(0, 1)])
    const stepping = follower.step()
    const during = Array.from({ length: 200 }, (_, n) => found(follower, n))
    await stepping
    for (const [n, told0] of (await Promise.all(running)).entries()) expect(told0).toBe(told(checksOf(n)))
    for (const [n, one] of (await Promise.all(during)).entries())
      expect([told(checksOf(n)), told(checksOf(n, 1))]).toContain(one!)
    expect(await found(follower, 5_000)).toBe(told(checksOf(5_000)))
    expect(await found(follower, 0)).toBe(told(checksOf(0, 1)))
    await follower[Symbol.asyncDispose]()
    expect(await found(follower, 0)).toBeUndefined()
  })

  test('nothing where nothing is, and takes it when it comes', async () => {
    const folder = await newFolder()
    const follower = follow(folder)
    await follower.step()
    expect(await found(follower, 0)).toBeUndefined()
    const files = openCheckFolder(folder)
    await files.add({ ...(await files.load()), digest: 'x' }, [recordOf(0)])
    await follower.step()
    expect(await found(follower, 0)).toBe(told(checksOf(0)))
    await follower[Symbol.asyncDispose]()
  })

  test.each<[string, Key | undefined, RegExp]>([
    ['no key', undefined, /there is none here: copy keys\/block.key/],
    ['another key', otherBlockKey, /the one here is [0-9a-f]{16}/],
  ])('nothing with %s, and says what to do', async (_, key, reason) => {
    const { folder } = await filled(3)
    const follower = follow(folder, async () => key)
    await expect(follower.step()).rejects.toThrow(reason)
    expect(await found(follower, 0)).toBeUndefined()
  })

  type Harm = (folder: string, state: CheckFiles) => Promise<unknown>
  const rewritten =
    (change: (state: CheckFiles) => unknown): Harm =>
    (folder, state) =>
      writeFile(join(folder, 'block-checks.json'), JSON.stringify(change(state)))
  const fileOf = (folder: string, { files }: CheckFiles) => join(folder, files.at(-1)!.path)
  const harms: [string, Harm][] = [
    ['a file cut short', (folder, state) => truncate(fileOf(folder, state), recordBytes)],
    ['a file that is gone', (folder, state) => rm(fileOf(folder, state))],
    [
      'a file with one bit changed',
      async (folder, state) => {
        const bytes = await readFile(fileOf(folder, state))
        bytes[99]! ^= 1
        await writeFile(fileOf(folder, state), bytes)
      },
    ],
    [
      'a link in place of a file',
      async (folder, state) => {
        await rename(fileOf(folder, state), join(folder, 'elsewhere'))
        await symlink(join(folder, 'elsewhere'), fileOf(folder, state))
      },
    ],
    [
      'a folder in place of a file',
      async (folder, state) => {
        await rm(fileOf(folder, state))
        await mkdir(fileOf(folder, state))
      },
    ],
    ['half a document', (folder) => truncate(join(folder, 'block-checks.json'), 40)],
    ['an empty document', (folder) => truncate(join(folder, 'block-checks.json'), 0)],
    ['bytes that are no text', (folder) => writeFile(join(folder, 'block-checks.json'), Buffer.alloc(100, 0xff))],
    ['a document without an end', (folder) => writeFile(join(folder, 'block-checks.json'), Buffer.alloc(2 << 20, ' '))],
    ['no object', (folder) => writeFile(join(folder, 'block-checks.json'), '"files"')],
    ['a later format', rewritten((state) => ({ ...state, format: 2 }))],
    ['another channel', rewritten((state) => ({ ...state, channel: 'testing' }))],
    ['no key', rewritten((state) => ({ ...state, keyId: '../../x' }))],
    [
      'a path that leads out',
      rewritten((state) => ({ ...state, files: [{ ...state.files[0], path: '../../etc/passwd' }] })),
    ],
    [
      'a size that is no number',
      rewritten((state) => ({ ...state, files: [{ ...state.files[0], sizeBytes: '176' }] })),
    ],
    [
      'a size of no whole records',
      rewritten((state) => ({ ...state, files: [{ ...state.files[0], sizeBytes: 177 }] })),
    ],
    ['another size', rewritten((state) => ({ ...state, files: [{ ...state.files[0], sizeBytes: 176 * 1000 }] }))],
    ['no digest', rewritten((state) => ({ ...state, files: [{ ...state.files[0], digest: 'sha256:x' }] }))],
    ['files that are none', rewritten((state) => ({ ...state, files: [null] }))],
    ['too many files', rewritten((state) => ({ ...state, files: new Array(65).fill(state.files[0]) }))],
    ['no files', rewritten(({ files: _, ...state }) => state)],
    ['a list of nothing that it lacks', rewritten((state) => ({ ...state, lacking: [5] }))],
  ]
  test.each(harms)('no news that have %s: those of before stay', async (_, harm) => {
    const { folder, state } = await filled(100)
    const follower = follow(folder)
    await follower.step()
    const newer = await openCheckFolder(folder).add({ ...state, generation: 2 }, [recordOf(500), recordOf(501)])
    await harm(folder, newer)
    await expect(follower.step()).rejects.toThrow()
    expect(await found(follower, 99)).toBe(told(checksOf(99)))
    expect(await found(follower, 500)).toBeUndefined()
    // When it is well again it is taken.
    await openCheckFolder(folder).add({ ...state, generation: 3 }, [recordOf(502)])
    await follower.step()
    expect(await found(follower, 502)).toBe(told(checksOf(502)))
    await follower[Symbol.asyncDispose]()
  })

  test('no record that rotted after its file was taken: it is as good as absent', async () => {
    const { folder, state } = await filled(1)
    const follower = follow(folder)
    await follower.step()
    const path = join(folder, state.files[0]!.path)
    for (const at of [40, 159, 170]) {
      const bytes = await readFile(path)
      bytes[at]! ^= 1
      await writeFile(path, bytes)
      expect(await found(follower, 0)).toBeUndefined()
      bytes[at]! ^= 1
      await writeFile(path, bytes)
      expect(await found(follower, 0)).toBe(told(checksOf(0)))
    }
    await follower[Symbol.asyncDispose]()
  })
})

test('no document of any kind is taken by half or breaks what reads it', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(() => parseCheckFiles(Buffer.from(text), 'stable')).toThrow(CheckFilesRefused)
    }),
  )
  const good: CheckFiles = {
    format: 1,
    channel: 'stable',
    keyId: blockKey.id,
    files: [{ path: `block-checks/${'a'.repeat(32)}`, digest: numberedDigest(1), sizeBytes: recordBytes }],
    generation: 1,
    digest: 'x',
    lacking: [{ digest: numberedDigest(2), sizeBytes: 5 }],
  }
  expect(parseCheckFiles(Buffer.from(JSON.stringify(good)), 'stable')).toEqual(good)
})
