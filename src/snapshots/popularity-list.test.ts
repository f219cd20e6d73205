import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { makeDigest } from '#oci/digest.ts'
import {
  maxPopularLines,
  type PopularityHeader,
  type PopularityLine,
  PopularityListRefused,
  readPopularityList,
  writePopularityList,
} from './popularity-list.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'popularity-list-'))
})
afterAll(() => rm(folder, { recursive: true }))

const digestOf = (n: number) => makeDigest('sha256', n.toString(16).padStart(64, '0'))
const line = (n: number, score: number): PopularityLine => ({ digest: digestOf(n), sizeBytes: n * 1000, score })
const about = { channel: 'stable', number: 4, builtAtMs: 1_800_000_000_000 }
const collect = async (lines: AsyncIterable<PopularityLine>) => {
  const all: PopularityLine[] = []
  for await (const one of lines) all.push(one)
  return all
}
async function* inPieces(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
const readText = (text: string) => collect(readPopularityList(inPieces(gzipSync(text), 99), about))

describe('a popularity list', () => {
  test('comes back as it was, whatever is in it, with size and digest of its file', async () => {
    const scored = fc.uniqueArray(fc.record({ n: fc.nat(5000), score: fc.integer({ min: 1, max: 50 }) }), {
      selector: ({ n }) => n,
      maxLength: 1500,
    })
    let count = 0
    await fc.assert(
      fc.asyncProperty(scored, fc.integer({ min: 1, max: 999 }), async (rows, pieceBytes) => {
        const lines = rows.map(({ n, score }) => line(n, score))
        lines.sort((a, b) => b.score - a.score || (a.digest < b.digest ? -1 : 1))
        const path = join(folder, `${++count}`)
        const written = await writePopularityList(path, { ...about, count: lines.length }, lines)
        const bytes = await readFile(path)
        const digest = makeDigest('sha256', createHash('sha256').update(bytes).digest('hex'))
        expect(written).toEqual({ sizeBytes: bytes.length, digest })
        expect(await collect(readPopularityList(inPieces(bytes, pieceBytes), about))).toEqual(lines)
      }),
      { numRuns: 30 },
    )
  })

  test('is plain text to gunzip', async () => {
    await writePopularityList(join(folder, 'plain'), { ...about, count: 2 }, [line(7, 3000), line(2, 1)])
    expect(gunzipSync(await readFile(join(folder, 'plain'))).toString()).toBe(
      `flotilla-popular 1 stable 4 2 1800000000000\n${digestOf(7)} 7000 3000\n${digestOf(2)} 2000 1\n`,
    )
  })

  test.each<[string, Partial<PopularityHeader>, PopularityLine[]]>([
    ['fewer lines than told', { count: 3 }, [line(1, 2), line(2, 1)]],
    ['more lines than told', { count: 1 }, [line(1, 2), line(2, 1)]],
    ['a lower score first', {}, [line(1, 1), line(2, 2)]],
    ['a higher digest first of one score', {}, [line(2, 1), line(1, 1)]],
    ['a blob twice', {}, [line(1, 2), line(1, 1)]],
    ['no score', {}, [line(1, 2), line(2, 0)]],
    ['half a score', {}, [line(1, 2), line(2, 1.5)]],
    ['a number 0', { number: 0 }, [line(1, 2), line(2, 1)]],
    ['a channel that is none', { channel: 'a b' }, [line(1, 2), line(2, 1)]],
    ['too many lines', { count: maxPopularLines + 1 }, []],
  ])('is not written when it is wrong: %s', async (_, header, lines) => {
    const writing = writePopularityList(join(folder, 'wrong'), { ...about, count: 2, ...header }, lines)
    await expect(writing).rejects.toThrow(PopularityListRefused)
    expect((await readdir(folder)).filter((name) => name.includes('wrong'))).toEqual([])
  })
})

describe('a reader', () => {
  const header = 'flotilla-popular 1 stable 4 1 9\n'
  const good = `${digestOf(1)} 5 2000\n`

  test('the good one that the table below spoils', async () => {
    expect(await readText(header + good)).toEqual([{ digest: digestOf(1), sizeBytes: 5, score: 2000 }])
  })

  test.each([
    ['nothing', '', 'an empty list'],
    ['no newline at the end', header + good.trimEnd(), 'cut short'],
    ['a later format', header.replace(' 1 ', ' 2 ') + good, 'format 2'],
    ['another kind of list', `flotilla-list 1 stable 0 4 1\n${good}`, 'no header'],
    ['another channel', header.replace('stable', 'beta') + good, 'something else'],
    ['another number', header.replace(' 4 ', ' 5 ') + good, 'something else'],
    ['a promise of too much', header.replace(' 1 9', ' 100001 9'), 'at most 100000'],
    ['missing lines', header, '0 lines'],
    ['surplus lines', `${header}${good}${digestOf(2)} 5 1\n`, 'more than'],
    ['a blob twice', `${header.replace(' 1 9', ' 2 9')}${good}${good.replace('2000', '1')}`, 'twice'],
    ['a score that rises', `${header.replace(' 1 9', ' 2 9')}${good}${digestOf(2)} 5 2001\n`, 'out of order'],
    ['a path instead of a digest', `${header}../../etc/passwd 5 2\n`, 'wrong form'],
    ['a negative size', header + good.replace(' 5 ', ' -5 '), 'wrong form'],
    ['a score of nothing', header + good.replace(' 2000', ' 0'), 'score 0'],
    ['a score beyond counting', header + good.replace(' 2000', ' 9007199254740993'), 'wrong form'],
    ['a fourth column', header + good.replace('\n', ' 9\n'), 'wrong form'],
    ['an endless line', header + 'a'.repeat(100_000), 'too long'],
  ])('refuses %s', async (_, text, message) => {
    const reading = readText(text)
    await expect(reading).rejects.toThrow(PopularityListRefused)
    await expect(reading).rejects.toThrow(message)
  })

  test('refuses more than it may unpack, and bytes that are no gzip', async () => {
    const packed = gzipSync(header + good)
    const read = (bytes: Uint8Array, maxBytes = 1000) =>
      collect(readPopularityList(inPieces(bytes, 50), about, { maxBytes }))
    await expect(read(packed, 50)).rejects.toThrow('50 bytes')
    for (const bytes of [Buffer.from('plain text'), packed.subarray(0, -9)])
      await expect(read(bytes)).rejects.toThrow(PopularityListRefused)
  })
})
