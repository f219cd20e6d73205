// kill -9 in the middle of uploads: what was answered with 201 is there with its bytes, and nothing else can be seen.

import { expect, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Flotilla } from '../kit/flotilla.ts'
import { adminToken, askRegistry, locationOf, must, type Pushed, pushImage } from '../kit/flotilla-client.ts'
import { digestOf } from '../kit/images.ts'
import { describeKills, type Hammer, surviveKills } from '../kit/kill-loop.ts'

const repository = 'team/app'

type Held = { readonly url: string; readonly digest: string; readonly bytes: Buffer<ArrayBuffer>; offset: number }

/** Everything that a client was told is kept. */
class Acknowledged {
  readonly blobs = new Set<string>()
  readonly images: (Pushed & { readonly tag: string })[] = []
  /** Tag -> the digests that it may name: the last one answered, and those that were asked for since. */
  readonly tags = new Map<string, Set<string>>()
  /** A chunked upload that got so far. */
  upload: Held | undefined
}

async function checkBlob(server: Flotilla, digest: string): Promise<void> {
  const answer = await must('blob', 200, askRegistry(server, `/v2/${repository}/blobs/${digest}`))
  expect(digestOf(new Uint8Array(await answer.arrayBuffer()))).toBe(digest)
}

async function checkTag(server: Flotilla, tag: string, allowed: ReadonlySet<string> | undefined): Promise<void> {
  const answer = await must('tag', 200, askRegistry(server, `/v2/${repository}/manifests/${tag}`))
  const bytes = Buffer.from(await answer.arrayBuffer())
  expect(digestOf(bytes)).toBe(answer.headers.get('docker-content-digest')!)
  expect([...(allowed ?? [])]).toContain(digestOf(bytes))
  const { config, layers } = JSON.parse(bytes.toString())
  for (const { digest, size } of [config, ...layers]) {
    const head = await must('blob', 200, askRegistry(server, `/v2/${repository}/blobs/${digest}`, { method: 'HEAD' }))
    expect(Number(head.headers.get('content-length'))).toBe(size)
  }
}

/** Files of finished blobs whose bytes are not what their name says. */
async function damagedFiles(store: string): Promise<string[]> {
  const damaged: string[] = []
  for (const entry of await readdir(join(store, 'blobs', 'sha256'), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const bytes = await readFile(join(entry.parentPath, entry.name))
    if (digestOf(bytes) !== `sha256:${entry.name}`) damaged.push(entry.name)
  }
  return damaged
}

test('uploads survive kills: nothing answered is lost, nothing half-done is seen', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kill-upload-'))
  const known = new Acknowledged()
  let serial = 0
  let resumed = 0

  const pushNext = async (server: Flotilla, hammer: Hammer) => {
    const number = ++serial
    const tag = `t${number % 7}`
    const layer = randomBytes(1 + Math.floor(Math.random() * 300_000))
    await hammer.doing(async () => {
      const pushing = pushImage(server, {
        repository,
        tag,
        note: `${number}`,
        layer,
        onBlob: (digest) => known.blobs.add(digest),
        onManifest: (digest) => known.tags.set(tag, new Set([...(known.tags.get(tag) ?? []), digest])),
      })
      const pushed = await pushing
      known.images.push({ ...pushed, tag })
      known.tags.set(tag, new Set([pushed.digest]))
    })
  }

  /** In pieces, which is where a kill leaves something to go on with. */
  const pushPieces = async (server: Flotilla, hammer: Hammer) => {
    const bytes = randomBytes(400_000)
    const start = () => must('start', 202, askRegistry(server, `/v2/${repository}/blobs/uploads/`, { method: 'POST' }))
    const begun = await hammer.doing(start)
    known.upload = { url: locationOf(server, begun), digest: digestOf(bytes), bytes, offset: 0 }
    const held = known.upload
    await sendPieces(server, held, hammer)
    await hammer.doing(() => finish(server, held))
  }

  const sendPieces = async (server: Flotilla, held: Held, hammer?: Hammer) => {
    while (held.offset < held.bytes.length && !hammer?.isOver()) {
      const piece = held.bytes.subarray(held.offset, held.offset + 64_000)
      const headers = { 'content-range': `${held.offset}-${held.offset + piece.length - 1}` }
      const send = () => must('piece', 202, askRegistry(server, held.url, { method: 'PATCH', headers, body: piece }))
      const answer = await (hammer ? hammer.doing(send) : send())
      const moved = { ...held, url: locationOf(server, answer), offset: held.offset + piece.length }
      Object.assign(held, moved)
    }
  }

  const finish = async (server: Flotilla, held: Held) => {
    const url = new URL(held.url)
    url.searchParams.set('digest', held.digest)
    await must('finish', 201, askRegistry(server, url.href, { method: 'PUT' }))
    known.blobs.add(held.digest)
    known.upload = undefined
  }

  /** The upload that was cut off stands somewhere between what was answered and what was sent, and goes on from there. */
  const resume = async (server: Flotilla, held: Held) => {
    const url = `${server.url('registry')}${new URL(held.url).pathname}${new URL(held.url).search}`
    const status = await askRegistry(server, url)
    if (status.status === 404) {
      // Cut off in its last request: the blob is whole or not there.
      const blob = await askRegistry(server, `/v2/${repository}/blobs/${held.digest}`)
      expect([held.offset, blob.status]).toEqual([held.bytes.length, blob.status === 200 ? 200 : 404])
      return
    }
    expect(status.status).toBe(204)
    const [, last = '-1'] = (status.headers.get('range') ?? '').split('-')
    const offset = Number(last) + 1
    const atLeast = held.offset
    expect(offset === 1 && atLeast === 0 ? 0 : offset).toBeGreaterThanOrEqual(atLeast)
    const goingOn = { ...held, url: locationOf(server, status), offset: offset === 1 ? 0 : offset }
    await sendPieces(server, goingOn)
    await finish(server, goingOn)
    resumed++
  }

  try {
    const report = await surviveKills({
      folder,
      kills: 200,
      withinMs: 200,
      env: { FLOTILLA_ADMIN_TOKEN: adminToken },
      async prepare(server) {
        const pushed = await pushImage(server, { repository, tag: 't0', note: 'first', layer: randomBytes(1000) })
        known.tags.set('t0', new Set([pushed.digest]))
      },
      work: [pushNext, pushNext, pushPieces],
      async check(server, round) {
        const held = known.upload
        known.upload = undefined
        if (held) await resume(server, held)
        const isWhole = round % 25 === 0
        const blobs = isWhole ? [...known.blobs] : [...known.blobs].slice(-12)
        for (const digest of blobs) await checkBlob(server, digest)
        for (const { digest } of isWhole ? known.images : known.images.slice(-4)) {
          const answer = await must('manifest', 200, askRegistry(server, `/v2/${repository}/manifests/${digest}`))
          expect(digestOf(new Uint8Array(await answer.arrayBuffer()))).toBe(digest)
        }
        const listed = await must('tags', 200, askRegistry(server, `/v2/${repository}/tags/list`))
        const { tags } = (await listed.json()) as { tags: string[] }
        for (const tag of tags) await checkTag(server, tag, known.tags.get(tag))
        if (isWhole) expect(await damagedFiles(join(server.data, 'store'))).toEqual([])
      },
    })
    console.log(
      `${describeKills('upload', report)}; ${known.blobs.size} blobs and ${known.images.length} images answered, ${resumed} uploads resumed`,
    )
    expect(report.inside).toBeGreaterThan(report.kills / 2)
    expect(resumed).toBeGreaterThan(0)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}, 600_000)
