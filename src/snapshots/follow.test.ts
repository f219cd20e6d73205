// Documents followed over real folders, and what looks again and again.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { followDocument, parseDocument } from './follow-document.ts'
import { type FollowerOptions, nextDelayMs, startFollower } from './follower.ts'
import { SnapshotHolder } from './holder.ts'
import { folderSource } from './snapshot-source.ts'

let root: string
let tree: string
const logged: unknown[] = []
const log = (error: unknown) => void logged.push(error)
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'follow-'))
})
afterAll(() => rm(root, { recursive: true }))
let count = 0
beforeEach(async () => {
  logged.length = 0
  tree = join(root, `${count++}-tree`)
  await mkdir(tree)
})

describe('a document', () => {
  const health = (version: number) => JSON.stringify({ format: 1, version, builtAtMs: version, hosts: [] })
  const follow = (holder: SnapshotHolder) =>
    followDocument({
      source: folderSource(tree),
      path: 'health.json',
      copy: join(root, `${count}-health.json`),
      take: (bytes) => holder.takeHealth(parseDocument(bytes)),
      log,
    })

  test('is taken when it is new, refused when it is bad, and there again without the source', async () => {
    const holder = new SnapshotHolder('stable')
    const step = await follow(holder)
    await step()
    const put = async (text: string) => {
      await writeFile(join(tree, 'new'), text)
      await rename(join(tree, 'new'), join(tree, 'health.json'))
    }
    await put(health(3))
    await step()
    expect(holder.current.fleet.health.version).toBe(3)
    for (const bad of ['', '{', 'null', '[]', health(2), '{"format":9,"version":9,"builtAtMs":9}']) {
      await put(bad)
      await expect(step()).rejects.toThrow()
      await step()
      expect(holder.current.fleet.health.version).toBe(3)
    }
    await rm(tree, { recursive: true })
    const again = new SnapshotHolder('stable')
    await (await follow(again))()
    expect(again.current.fleet.health.version).toBe(3)
    expect(logged).toEqual([])
  })

  test('whose copy is damaged is asked for again', async () => {
    await writeFile(join(root, `${count}-health.json`), '{')
    await writeFile(join(tree, 'health.json'), health(1))
    const holder = new SnapshotHolder('stable')
    const step = await follow(holder)
    expect(logged.length).toBe(1)
    await step()
    expect(holder.current.fleet.health.version).toBe(1)
  })
})

describe('a follower', () => {
  const options = (more: Partial<FollowerOptions> = {}) => ({
    intervalMs: 1,
    maxBackoffMs: 1000,
    random: () => 0.5,
    log,
    ...more,
  })

  test('goes on by itself, through failures, until it is stopped', async () => {
    let runs = 0
    let reached = () => {}
    const tenth = new Promise<void>((resolve) => {
      reached = resolve
    })
    const follower = startFollower(async () => {
      runs++
      if (runs === 10) reached()
      if (runs % 2) throw new Error('a fault')
    }, options())
    await tenth
    await follower.stop()
    const after = runs
    await follower.runNow()
    expect(runs).toBe(after)
    expect(logged.length).toBeGreaterThanOrEqual(5)
  })

  test('runs one at a time', async () => {
    let now = 0
    let most = 0
    const follower = startFollower(
      async () => {
        most = Math.max(most, ++now)
        await stat(root)
        now--
      },
      options({ intervalMs: 60_000 }),
    )
    await Promise.all([follower.runNow(), follower.runNow(), follower.runNow()])
    await follower.stop()
    expect(most).toBe(1)
  })

  test.each([
    [0, 0, 750],
    [0, 1, 1250],
    [1, 0.5, 2000],
    [3, 0.5, 8000],
    [4, 0.5, 10_000],
    [60, 0.5, 10_000],
    [2000, 0.5, 10_000],
  ])('after %d failures, at %d, waits %d ms', (failures, random, expected) => {
    expect(nextDelayMs(options({ intervalMs: 1000, maxBackoffMs: 10_000, random: () => random }), failures)).toBe(
      expected,
    )
  })
})
