// The worker keeps a published tree from expiring, by itself and without a new generation; what waits for its batch goes on waiting.

import { expect, test } from 'bun:test'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { timestampPath } from '#snapshots/tree-contents.ts'
import { startFlotilla } from '../kit/flotilla.ts'
import { adminToken, askApi, pushImage } from '../kit/flotilla-client.ts'
import { readContents } from '../kit/read-contents.ts'
import { waitUntil } from '../kit/wait-until.ts'
import { ask } from '../kit/wire.ts'

/** All that the origin sends to who asks whether there is something new: two answers, heads and bodies. */
async function bytesOfPoll(origin: string): Promise<number> {
  const { port, host } = new URL(origin)
  const get = (path: string, more = '') =>
    ask({ port: Number(port) }, `GET /metadata/${path} HTTP/1.1\nHost: ${host}\n${more}\n`)
  for (;;) {
    const etag = (await get('timestamp.json')).header('etag')
    const timestamp = await get('timestamp.json', `If-None-Match: ${etag}\n`)
    // Signed anew in between.
    if (timestamp.status === 200) continue
    const root = await get('2.root.json')
    expect([timestamp.status, root.status]).toEqual([304, 404])
    return [timestamp, root].reduce((sum, { head, body }) => sum + head.length + 4 + body.length, 0)
  }
}

test('a timestamp is signed anew at half of its life, after a restart too; asking for news costs less than a kilobyte', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'flow-keep-tree-'))
  const root = join(folder, 'data/tree/stable')
  const env = {
    FLOTILLA_ADMIN_TOKEN: adminToken,
    FLOTILLA_TIMESTAMP_LIFETIME: '8s',
    FLOTILLA_PUBLISH_DELAY: '1h',
    FLOTILLA_DEMO: '0',
  }
  const version = async () => JSON.parse(await readFile(join(root, timestampPath), 'utf8')).signed.version as number
  const reach = (wanted: number) =>
    waitUntil(async () => (await version().catch(() => 0)) >= wanted, { what: `timestamp ${wanted}`, limitMs: 30_000 })
  try {
    let last: number
    {
      await using server = await startFlotilla({ folder, env })
      await reach(1)
      const layer = Buffer.alloc(3000, 'layer')
      const { digest } = await pushImage(server, { repository: 'a', tag: 't', note: 'note', layer })
      await askApi(server, 'POST', '/api/v1/promotions', { references: [`a@${digest}`], to: 'stable', tags: ['t'] })
      await reach(3)
      expect((await readContents(root)).generation).toBe(1)
      last = await version()
    }
    await using again = await startFlotilla({ folder, env })
    await reach(last + 1)
    expect((await readContents(root)).generation).toBe(1)
    expect(await bytesOfPoll(again.url('origin'))).toBeLessThan(1000)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}, 120_000)
