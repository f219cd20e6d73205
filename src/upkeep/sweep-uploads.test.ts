import { afterAll, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BlobStore } from '#blobs/blob-store.ts'
import { DiskBlobStore } from '#blobs/disk/disk-blob-store.ts'
import { sweepUploads } from './sweep-uploads.ts'

const folder = await mkdtemp(join(tmpdir(), 'sweep-'))
afterAll(() => rm(folder, { recursive: true }))

const hourMs = 3_600_000
const nowMs = Date.UTC(2026, 0, 1)
let count = 0
let uploads: string
let blobs: BlobStore
beforeEach(async () => {
  const root = join(folder, `${++count}`)
  uploads = join(root, 'uploads')
  blobs = await DiskBlobStore.open(root)
})

/** As if nobody had touched what lies there since. */
async function age(byMs: number): Promise<void> {
  const at = (nowMs - byMs) / 1000
  for (const name of await readdir(uploads)) await utimes(join(uploads, name), at, at)
}
const start = () => blobs.startUpload({ repository: 'a', algorithm: 'sha256' })
const sweep = () => sweepUploads(blobs, hourMs, nowMs)

describe('sweepUploads', () => {
  test('drops what is older, keeps what is not', async () => {
    const old = await start()
    await age(hourMs)
    const fresh = await start()
    await utimes(join(uploads, fresh.id), nowMs / 1000, nowMs / 1000)
    expect(await sweep()).toBe(1)
    expect(await blobs.findUpload(old.id)).toBeUndefined()
    expect((await readdir(uploads)).sort()).toEqual([fresh.id, `${fresh.id}.json`])
  })

  const id = '00000000-0000-4000-8000-000000000000'
  test.each([
    ['bytes alone, as a manifest that was being put', { [id]: 'abc' }],
    ['a description alone', { [`${id}.json`]: '{}' }],
    ['a torn description', { [id]: '', [`${id}.json`]: '{"repos' }],
  ])('drops what a crash left: %s', async (_, files: Record<string, string>) => {
    for (const [name, text] of Object.entries(files)) await writeFile(join(uploads, name), text)
    await age(hourMs)
    expect(await sweep()).toBe(1)
    expect(await readdir(uploads)).toEqual([])
  })

  test('one that is being written is left alone, and the others still go', async () => {
    let end = () => {}
    const ended = new Promise<void>((resolve) => (end = resolve))
    const busy = await start()
    let begin = () => {}
    const begun = new Promise<void>((resolve) => (begin = resolve))
    const append = busy.append(
      (async function* () {
        begin()
        await ended
        yield new Uint8Array(3)
      })(),
    )
    await begun
    const stale = await start()
    await age(hourMs)
    expect(await sweep()).toBe(1)
    expect(await blobs.findUpload(stale.id)).toBeUndefined()
    end()
    expect(await append).toBe(3)
  })
})
