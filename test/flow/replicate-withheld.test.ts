// Sources that hold back: what the newest timestamp leads to, so that the copy goes on showing one whole state; or every blob.

import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { refuse } from '#http/answer.ts'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { timestampPath } from '#snapshots/tree-contents.ts'
import { PublishedTree } from '../kit/published-tree.ts'
import { readContents } from '../kit/read-contents.ts'
import { runReplicate } from '../kit/run-replicate.ts'
import { startTreeOrigin, type TreeOrigin } from '../kit/tree-origin.ts'

const bytesOf = (n: number) => Uint8Array.from({ length: 70_000 + n }, (_, i) => (i * (n + 3) + n) % 251)

let root: string
let to: string
let tree: PublishedTree
let client: OutboundClient
let newest: TreeOrigin
let late: TreeOrigin

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'replicate-withheld-'))
  to = join(root, 'copy')
  client = new OutboundClient({ allowPrivate: true, userAgent: 'flotilla/test' })
  tree = await PublishedTree.make(join(root, 'tree'), join(root, 'keys'))
  await tree.add(bytesOf(1))
  await tree.publish()
  await cp(tree.folder, join(root, 'late'), { recursive: true })
  newest = startTreeOrigin(tree.folder)
  late = startTreeOrigin(join(root, 'late'))
})
afterEach(async () => {
  for (const one of [newest, late]) await one.listener.stop(100)
  await client[Symbol.asyncDispose]()
  await rm(root, { recursive: true })
})

const run = (...from: TreeOrigin[]) => runReplicate(client, { from: from.map(({ url }) => url), to })

async function publishAndWithhold(): Promise<void> {
  await tree.add(bytesOf(2))
  await tree.publish()
  newest.interfere = ({ path }) => (/snapshot|targets/.test(path) ? refuse('NOT_FOUND', 'held back') : undefined)
}

/** As the next reader finds it: everything that the timestamp leads to is there and belongs together. */
async function expectShown(generation: number): Promise<void> {
  const origin = startTreeOrigin(to)
  try {
    await runReplicate(client, { from: [origin.url], to: join(root, `reader-${generation}`) })
  } finally {
    await origin.listener.stop(100)
  }
  expect((await readContents(to)).generation).toBe(generation)
}

describe('held back', () => {
  test('beside a source that is behind: what that one has is shown, whole', async () => {
    await publishAndWithhold()
    const result = await run(late, newest)
    expect(result).toMatchObject({ generation: 1, warnings: [expect.stringContaining('snapshot')] })
    await expectShown(1)
    newest.interfere = () => undefined
    expect(await run(late, newest)).toMatchObject({ generation: 2 })
    await expectShown(2)
  })

  test('and the old timestamp shown again: nothing of two states is mixed', async () => {
    await run(newest)
    await publishAndWithhold()
    await expect(run(newest)).rejects.toMatchObject({ reason: 'source' })
    await expectShown(1)
    // The old timestamp has the ETag that it had.
    newest.interfere = ({ path }) =>
      path === `/${timestampPath}` ? { status: 304, headers: { etag: '"old"' } } : undefined
    await run(newest).catch(() => undefined)
    await expectShown(1)
  })
})

test('a source that puts files off for no time at all is not asked in a circle', async () => {
  newest.interfere = ({ path }) =>
    path.startsWith('/blobs/') ? { status: 503, headers: { 'retry-after': '0' } } : undefined
  const hurried = runReplicate(client, { from: [newest.url], to, patienceMs: 2000 })
  await expect(hurried).rejects.toMatchObject({ reason: 'source', message: expect.stringContaining('--patience') })
  expect(newest.asked.filter((one) => one.includes('/blobs/')).length).toBeLessThanOrEqual(4)
})

test('a source that sends to ever other hosts that are not there fills no memory with them', async () => {
  for (let n = 3; n < 20; n++) await tree.add(bytesOf(n))
  await tree.publish()
  let hosts = 0
  const asks = new Map<string, number>()
  newest.interfere = ({ path }) => {
    const times = (asks.get(path) ?? 0) + 1
    asks.set(path, times)
    if (!path.startsWith('/blobs/') || times > 5) return undefined
    const location = `http://127.1.${Math.floor(hosts / 250)}.${(hosts++ % 250) + 1}:1${path}`
    return { status: 307, headers: { location, 'flotilla-host': `h${hosts}.example.org` } }
  }
  const { outcome, warnings } = await run(newest)
  expect(hosts).toBe(90)
  expect([outcome, warnings.length]).toEqual(['updated', 50])
})
