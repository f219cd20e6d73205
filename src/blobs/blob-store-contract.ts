// The one suite of the BlobStore contract: every implementation runs it.

import { describe, expect, test } from 'bun:test'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Digest } from '#oci/digest.ts'
import { type BlobStore, DigestMismatch, UploadBusy } from './blob-store.ts'
import { digestOf } from './hashing.ts'

export type StoreUnderTest = {
  open(): Promise<BlobStore>
  /** Overwrites the stored bytes behind the store's back. */
  damage(digest: Digest, bytes: Uint8Array): Promise<void>
}

const bytesOf = (size: number, seed = 1) =>
  Uint8Array.from({ length: size }, (_, i) => (i * 31 + seed * 17 + (i >> 8)) & 255)

async function* chunked(
  bytes: Uint8Array,
  size: number,
  breakAfter = Number.POSITIVE_INFINITY,
): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    if (at >= breakAfter) throw new Error('connection lost')
    yield bytes.subarray(at, at + size)
  }
}

const about = { repository: 'a/b', algorithm: 'sha256' } as const

async function read(store: BlobStore, digest: Digest, range?: { first: number; last: number }): Promise<Uint8Array> {
  const body = await store.open(digest, range)
  return await new Response(body!.stream()).bytes()
}

export function blobStoreContract(name: string, subject: () => Promise<StoreUnderTest>): void {
  describe(`${name} keeps the BlobStore contract`, () => {
    test('bytes put are read back whole and by range', async () => {
      await using store = await (await subject()).open()
      const bytes = bytesOf(100_000)
      const digest = digestOf(bytes)
      await store.put(digest, bytes)
      expect(await store.stat(digest)).toEqual({ sizeBytes: 100_000 })
      expect(await read(store, digest)).toEqual(bytes)
      expect(await read(store, digest, { first: 5, last: 5 })).toEqual(bytes.subarray(5, 6))
      expect(await read(store, digest, { first: 99_990, last: 99_999 })).toEqual(bytes.subarray(99_990))
      expect(store.open(digest, { first: 0, last: 100_000 })).rejects.toThrow(RangeError)
      expect(store.open(digest, { first: 9, last: 8 })).rejects.toThrow(RangeError)
    })

    test('an empty blob is a blob', async () => {
      await using store = await (await subject()).open()
      const upload = await store.startUpload(about)
      const digest = digestOf('')
      expect(await upload.finish(digest)).toEqual({ sizeBytes: 0 })
      expect(await store.stat(digest)).toEqual({ sizeBytes: 0 })
      expect(await read(store, digest)).toEqual(new Uint8Array())
    })

    test('what is not there is a value, not an error', async () => {
      await using store = await (await subject()).open()
      const digest = digestOf('nowhere')
      expect(await store.stat(digest)).toBeUndefined()
      expect(await store.open(digest)).toBeUndefined()
      expect(await store.delete(digest)).toBe(false)
      expect(await store.verify(digest)).toBe('missing')
      expect(await store.findUpload('no-such-upload')).toBeUndefined()
      expect(await store.findUpload('../../etc/passwd')).toBeUndefined()
    })

    test('put refuses bytes of another digest and keeps nothing', async () => {
      await using store = await (await subject()).open()
      const digest = digestOf('right')
      expect(store.put(digest, bytesOf(5))).rejects.toThrow(DigestMismatch)
      expect(await store.stat(digest)).toBeUndefined()
    })

    test('an unfinished blob cannot be opened; finished it can, and the upload is gone', async () => {
      await using store = await (await subject()).open()
      const bytes = bytesOf(3_000_000)
      const digest = digestOf(bytes)
      const upload = await store.startUpload(about)
      expect(await upload.append(chunked(bytes, 70_001))).toBe(3_000_000)
      expect(await store.open(digest)).toBeUndefined()
      await upload.finish(digest)
      expect(await read(store, digest)).toEqual(bytes)
      expect(await store.findUpload(upload.id)).toBeUndefined()
      expect(await Array.fromAsync(store.listUploads())).toEqual([])
    })

    test('a wrong digest is refused and leaves nothing', async () => {
      await using store = await (await subject()).open()
      const upload = await store.startUpload(about)
      await upload.append(chunked(bytesOf(10), 3))
      expect(upload.finish(digestOf('other'))).rejects.toThrow(DigestMismatch)
      await upload.finish(digestOf('other')).catch(() => undefined)
      expect(await store.findUpload(upload.id)).toBeUndefined()
      expect(await Array.fromAsync(store.list())).toEqual([])
    })

    test('what arrived before a break stays, also over a restart', async () => {
      const under = await subject()
      const bytes = bytesOf(2_500_000)
      const digest = digestOf(bytes)
      let id: string
      {
        await using store = await under.open()
        const upload = await store.startUpload(about)
        id = upload.id
        await upload
          .append(chunked(bytes, 100_000, 1_500_000))
          .catch((error) => expect(error.message).toBe('connection lost'))
        expect(upload.offset).toBe(1_500_000)
      }
      await using store = await under.open()
      const upload = await store.findUpload(id)
      expect(upload).toMatchObject({ offset: 1_500_000, repository: 'a/b', algorithm: 'sha256' })
      await upload!.append(chunked(bytes.subarray(1_500_000), 64_000))
      await upload!.finish(digest)
      expect(await read(store, digest)).toEqual(bytes)
    })

    test('sha512 works, also when only the end says so', async () => {
      await using store = await (await subject()).open()
      const bytes = bytesOf(5000)
      for (const algorithm of ['sha512', 'sha256'] as const) {
        const upload = await store.startUpload({ repository: 'a', algorithm })
        await upload.append(chunked(bytes, 999))
        await upload.finish(digestOf(bytes, 'sha512'))
      }
      expect(await store.verify(digestOf(bytes, 'sha512'))).toBe('good')
      expect(await store.stat(digestOf(bytes, 'sha256'))).toBeUndefined()
    })

    test('one upload is written by one request at a time', async () => {
      await using store = await (await subject()).open()
      const upload = await store.startUpload(about)
      const gate = Promise.withResolvers<void>()
      const slow = upload.append(
        (async function* () {
          yield bytesOf(10)
          await gate.promise
        })(),
      )
      expect(upload.append(chunked(bytesOf(10), 5))).rejects.toThrow(UploadBusy)
      gate.resolve()
      expect(await slow).toBe(10)
    })

    test('the same blob from two uploads at once is one blob', async () => {
      await using store = await (await subject()).open()
      const bytes = bytesOf(1_000_000)
      const digest = digestOf(bytes)
      await Promise.all(
        [1, 2, 3, 4].map(async () => {
          const upload = await store.startUpload(about)
          await upload.append(chunked(bytes, 90_000))
          await upload.finish(digest)
        }),
      )
      expect(await Array.fromAsync(store.list())).toEqual([{ digest, sizeBytes: 1_000_000 }])
      expect(await store.verify(digest)).toBe('good')
    })

    test.each([
      ['of the right size', bytesOf(1000, 9)],
      ['of another size', bytesOf(10, 9)],
      ['empty', new Uint8Array()],
    ])('damaged bytes %s are found, and a new push repairs them and says so', async (_, wrong) => {
      const under = await subject()
      await using store = await under.open()
      const repaired: Digest[] = []
      store.onRepair(async (digest) => void repaired.push(digest))
      const bytes = bytesOf(1000)
      const digest = digestOf(bytes)
      await store.put(digest, bytes)
      await under.damage(digest, wrong)
      expect(await store.verify(digest)).toBe('damaged')
      const upload = await store.startUpload(about)
      await upload.append(chunked(bytes, 100))
      await upload.finish(digest)
      expect(await store.verify(digest)).toBe('good')
      expect(repaired).toEqual([digest])
      await store.put(digest, bytes)
      expect(repaired).toEqual([digest])
    })

    test('list is sorted and whole; delete takes one', async () => {
      await using store = await (await subject()).open()
      const digests = await Promise.all(
        Array.from({ length: 40 }, async (_, i) => {
          const bytes = bytesOf(i + 1, i)
          await store.put(digestOf(bytes), bytes)
          return digestOf(bytes)
        }),
      )
      const listed = (await Array.fromAsync(store.list())).map((one) => one.digest)
      expect(listed).toEqual([...digests].sort())
      expect(await store.delete(digests[7]!)).toBe(true)
      expect(await store.stat(digests[7]!)).toBeUndefined()
      expect((await Array.fromAsync(store.list())).length).toBe(39)
    })

    test('place makes a file with the bytes, again and again', async () => {
      await using store = await (await subject()).open()
      const bytes = bytesOf(777)
      await store.put(digestOf(bytes), bytes)
      const folder = await mkdtemp(join(tmpdir(), 'place-'))
      const target = join(folder, 'deep/er/file')
      await store.place(digestOf(bytes), target)
      await store.place(digestOf(bytes), target)
      expect(new Uint8Array(await readFile(target))).toEqual(bytes)
      await rm(folder, { recursive: true })
    })
  })
}
