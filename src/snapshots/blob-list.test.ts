import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { makeDigest } from '#oci/digest.ts'
import { type BlobListLine, readBlobList, writeBlobList } from './blob-list.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'blob-list-'))
})
afterAll(() => rm(folder, { recursive: true }))

const digestOf = (n: number) => makeDigest('sha256', n.toString(16).padStart(64, '0'))
const line = (n: number, sign: BlobListLine['sign'] = ''): BlobListLine => ({
  sign,
  digest: digestOf(n),
  sizeBytes: n * 1000,
  generation: 1 + (n % 7),
})
const limits = { maxBytes: 1 << 20 }
const whole = { channel: 'stable', from: 0, to: 7 }
const delta = { channel: 'stable', from: 5, to: 7 }

const collect = async (lines: AsyncIterable<BlobListLine>) => {
  const all: BlobListLine[] = []
  for await (const one of lines) all.push(one)
  return all
}
async function* inPieces(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
const readText = (text: string, expected = whole) =>
  collect(readBlobList(inPieces(gzipSync(text), 99), expected, limits))

describe('a list', () => {
  test.each([
    ['whole', whole, Array.from({ length: 2000 }, (_, i) => line(i))],
    ['a delta', delta, [line(1, '+'), line(2, '-'), line(3, '+')]],
    ['an empty one', whole, []],
  ] as const)('%s comes back as it was, with size and digest of its file', async (name, about, lines) => {
    const path = join(folder, name)
    const written = await writeBlobList(path, { ...about, count: lines.length }, lines)
    const bytes = await readFile(path)
    expect(written).toEqual({
      sizeBytes: bytes.length,
      digest: makeDigest('sha256', createHash('sha256').update(bytes).digest('hex')),
    })
    expect(await collect(readBlobList(createReadStream(path), about, limits))).toEqual([...lines])
    expect(await collect(readBlobList(inPieces(bytes, 7), about, limits))).toEqual([...lines])
  })

  test('is the same bytes each time, and plain text to gunzip', async () => {
    const lines = [line(1, '+'), line(2, '-')]
    const one = await writeBlobList(join(folder, 'one'), { ...delta, count: 2 }, lines)
    const two = await writeBlobList(join(folder, 'two'), { ...delta, count: 2 }, lines)
    expect(two).toEqual(one)
    const text = gunzipSync(await readFile(join(folder, 'one'))).toString()
    expect(text).toBe(`flotilla-list 1 stable 5 7 2\n+ ${digestOf(1)} 1000 2\n- ${digestOf(2)} 2000 3\n`)
  })

  test.each<[string, Parameters<typeof writeBlobList>[1], BlobListLine[]]>([
    ['fewer lines than told', { ...whole, count: 3 }, [line(1), line(2)]],
    ['more lines than told', { ...whole, count: 1 }, [line(1), line(2)]],
    ['out of order', { ...whole, count: 2 }, [line(2), line(1)]],
    ['doubled', { ...whole, count: 2 }, [line(1), line(1)]],
    ['signs in a whole list', { ...whole, count: 1 }, [line(1, '+')]],
    ['no signs in a delta', { ...delta, count: 1 }, [line(1)]],
    ['a blob of a later generation', { ...whole, to: 1, count: 1 }, [line(5)]],
    ['a channel that is none', { ...whole, channel: 'a b', count: 0 }, []],
  ])('is not written when it is wrong: %s', async (_, header, lines) => {
    const path = join(folder, 'wrong')
    await expect(writeBlobList(path, header, lines)).rejects.toThrow('refused')
    await writeBlobList(path, header, lines).catch(() => undefined)
    expect((await readdir(folder)).filter((name) => name.includes('wrong'))).toEqual([])
  })
})

describe('reading', () => {
  const header = 'flotilla-list 1 stable 0 7 1\n'
  const good = `${digestOf(1)} 5 2\n`
  test('the good one that the table below spoils', async () => {
    expect(await readText(header + good)).toEqual([{ sign: '', digest: digestOf(1), sizeBytes: 5, generation: 2 }])
  })

  test.each([
    ['nothing', '', 'an empty list'],
    ['no newline at the end', header + good.trimEnd(), 'cut short'],
    ['a later format', header.replace(' 1 ', ' 2 ') + good, 'format 2'],
    ['another channel', header.replace('stable', 'beta') + good, 'something else'],
    ['another generation', header.replace(' 7 ', ' 8 ') + good, 'something else'],
    ['no header', good, 'no header'],
    ['missing lines', header, '0 lines'],
    ['surplus lines', `${header}${good}${digestOf(2)} 5 2\n`, 'more than'],
    ['a short digest', `${header}sha256:12 5 2\n`, 'wrong form'],
    ['a path instead of a digest', `${header}../../etc/passwd 5 2\n`, 'wrong form'],
    ['a negative size', header + good.replace(' 5 ', ' -5 '), 'wrong form'],
    ['a size in hex', header + good.replace(' 5 ', ' 0x5 '), 'wrong form'],
    ['a size beyond counting', header + good.replace(' 5 ', ' 9007199254740993 '), 'wrong form'],
    ['a fourth column', header + good.replace('\n', ' 9\n'), 'wrong form'],
    ['a sign', `${header}+ ${good}`, 'wrong form'],
    ['a carriage return', `${header}${good.replace('\n', '\r\n')}`, 'wrong form'],
    ['a generation to come', header + good.replace(' 2\n', ' 8\n'), 'generation 8'],
    ['an endless line', header + 'a'.repeat(100_000), 'too long'],
  ])('refuses %s', async (_, text, message) => {
    await expect(readText(text)).rejects.toThrow(message)
  })

  test.each([
    ['a line without sign', good],
    ['a sign without space', `+${good}`],
    ['an unknown sign', `* ${good}`],
  ])('refuses %s in a delta', async (_, text) => {
    await expect(readText(`flotilla-list 1 stable 5 7 1\n${text}`, delta)).rejects.toThrow('refused')
  })

  test('refuses bytes that are no gzip, or are cut short', async () => {
    const packed = gzipSync(header + good)
    for (const bytes of [Buffer.from('plain text'), packed.subarray(0, -9), packed.subarray(0, 12)]) {
      await expect(collect(readBlobList(inPieces(bytes, 50), whole, limits))).rejects.toThrow('refused')
    }
  })

  test('stops at a bomb long before it has unpacked it', async () => {
    const bomb = gzipSync(Buffer.alloc(64 << 20, `${header}${good}`))
    let read = 0
    async function* counted() {
      for await (const piece of inPieces(bomb, 4096)) {
        read += piece.length
        yield piece
      }
    }
    const reading = collect(readBlobList(counted(), { ...whole, from: 0 }, { maxBytes: 100_000 }))
    await expect(reading).rejects.toThrow('refused')
    await reading.catch(() => undefined)
    expect(read).toBeLessThan(bomb.length)
  })

  test('refuses more than it may unpack, even of a good list', async () => {
    const path = join(folder, 'long')
    await writeBlobList(
      path,
      { ...whole, count: 2000 },
      Array.from({ length: 2000 }, (_, i) => line(i)),
    )
    await expect(collect(readBlobList(createReadStream(path), whole, { maxBytes: 50_000 }))).rejects.toThrow(
      '50000 bytes',
    )
  })

  test('passes an error of the source on as it is', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield gzipSync(header + good).subarray(0, 5)
      throw new Error('the disk is gone')
    }
    await expect(collect(readBlobList(failing(), whole, limits))).rejects.toThrow('the disk is gone')
  })
})
