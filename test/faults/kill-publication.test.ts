// kill -9 in the middle of publications: what is signed is always a whole generation, and never two different ones of a number.

import { expect, test } from 'bun:test'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseTreePath } from '#snapshots/tree-path.ts'
import type { Flotilla } from '../kit/flotilla.ts'
import { adminToken, askApi, pushImage } from '../kit/flotilla-client.ts'
import { describeKills, type Hammer, surviveKills } from '../kit/kill-loop.ts'
import { readContents } from '../kit/read-contents.ts'
import { readTree, type TreeReading } from '../kit/tree-reading.ts'

const repositories = ['base', 'web', 'db']
const releasesAhead = 3

type Job = { readonly id: string; readonly state: string; readonly result?: { readonly generation: number } }

/** Asks again and again rather than waits: an error here is the kill, and must be seen at once. */
async function publish(server: Flotilla): Promise<number> {
  const { id } = await askApi<Job>(server, 'POST', '/api/v1/publications')
  for (;;) {
    const job = await askApi<Job>(server, 'GET', `/api/v1/jobs/${id}`)
    if (job.state === 'done') return job.result!.generation
    if (job.state !== 'waiting' && job.state !== 'running') throw new Error(`not published: ${JSON.stringify(job)}`)
    await pause(3)
  }
}

/** A generation whose files are partly there while the metadata still name the one before. */
async function isHalfRendered(root: string): Promise<boolean> {
  const { generation } = await readContents(root)
  const names = [...(await readdir(join(root, 'lists'))), ...(await readdir(join(root, 'catalogue')))]
  const ends = names.map((name) => /(\d+)\.(gz|pack)$/.exec(name)?.[1])
  return ends.some((end) => Number(end ?? 0) > generation) || (await strangers(root)).length > 0
}

/** Names in a tree that no tree has: what a crash left. */
async function strangers(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return paths.map((path) => path.slice(root.length + 1)).filter((path) => !parseTreePath(path))
}

test('a publication survives kills: what is signed is whole, and stays what it was', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kill-publication-'))
  let serial = 0
  /** Repository -> what its tag may name: the promotion answered last, and those asked for since. */
  const promoted = new Map<string, readonly string[]>()
  /** The same, when the last publication that was answered began. */
  let published = new Map<string, readonly string[]>()
  let answeredGeneration = 0
  const signed = new Map<number, string>()
  let held: TreeReading | undefined
  let halfRendered = 0
  const root = join(folder, 'data', 'tree', 'stable')

  /** Pushed between kills, so that kills meet what is looked at here: the promotion and its publication. */
  const ready: Map<string, string>[] = []
  const pushSome = async (server: Flotilla) => {
    while (ready.length < releasesAhead) {
      const number = ++serial
      const images = new Map<string, string>()
      for (const repository of repositories.slice(0, 1 + (number % repositories.length))) {
        const layer = Buffer.alloc(3000, `layer ${number} of ${repository} `)
        const { digest } = await pushImage(server, { repository, tag: `v${number}`, note: `${number}`, layer })
        images.set(repository, digest)
      }
      ready.push(images)
    }
  }

  const release = async (server: Flotilla, hammer: Hammer) => {
    await hammer.doing(async () => {
      const moving = ready.shift()
      if (moving) {
        for (const [repository, digest] of moving)
          promoted.set(repository, [...(promoted.get(repository) ?? []), digest])
        const references = [...moving].map(([repository, digest]) => `${repository}@${digest}`)
        await askApi(server, 'POST', '/api/v1/promotions', { references, to: 'stable', tags: ['live'] })
        for (const [repository, digest] of moving) promoted.set(repository, [digest])
      } else {
        // Where it stands after a rollback is not followed here; that what is published is whole, is.
        promoted.delete(repositories[0]!)
        await askApi(server, 'POST', '/api/v1/rollbacks', { repository: repositories[0], reason: 'nothing newer' })
      }
      const begun = new Map(promoted)
      answeredGeneration = await publish(server)
      published = begun
    })
  }

  const check = async () => {
    const reading = await readTree(root, held)
    const { generation } = reading.contents
    expect(generation).toBeGreaterThanOrEqual(answeredGeneration)
    expect(generation).toBeGreaterThanOrEqual(held?.contents.generation ?? 0)
    const contents = JSON.stringify(reading.contents)
    expect(contents).toBe(signed.get(generation) ?? contents)
    signed.set(generation, contents)
    if (generation === answeredGeneration) {
      for (const [repository, digests] of published) {
        expect(digests).toContain(String(reading.publication.repositories.get(repository)?.tags.get('live')))
      }
    }
    held = reading
  }

  try {
    const report = await surviveKills({
      folder,
      kills: 200,
      withinMs: 250,
      env: { FLOTILLA_ADMIN_TOKEN: adminToken, FLOTILLA_SMALL_BLOB_BYTES: '1KiB', FLOTILLA_PUBLISH_DELAY: '1d' },
      async prepare(server) {
        await pushSome(server)
        await release(server, { isOver: () => false, doing: (request) => request() })
      },
      work: [release],
      async afterKill() {
        if (await isHalfRendered(root)) halfRendered++
      },
      async check(server, round) {
        await check()
        await pushSome(server)
        if (round % 20 !== 0) return
        await publish(server)
        await check()
        const { generations } = await askApi<{ generations: { generation: number; state: string }[] }>(
          server,
          'GET',
          '/api/v1/generations?limit=1000',
        )
        const newest = held!.contents.generation
        expect(generations.map((one) => one.generation)).toEqual(Array.from({ length: newest }, (_, i) => newest - i))
        expect(generations.every((one) => one.state === 'published')).toBe(true)
      },
    })
    console.log(
      `${describeKills('publication', report)}; ${answeredGeneration} generations, ${halfRendered} of them half rendered at a kill`,
    )
    expect(report.inside).toBeGreaterThan(report.kills / 2)
    expect(halfRendered).toBeGreaterThan(0)
    expect((await strangers(root)).length).toBeLessThan(5)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}, 600_000)
