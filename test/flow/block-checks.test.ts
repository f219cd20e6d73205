// Block checks of a running program: made by a push, brought to where front doors read them, made later for what an older program left.

import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BlockKey } from '#blobs/block-key.ts'
import type { Digest } from '#oci/digest.ts'
import { parseCheckFiles } from '#snapshots/check-files.ts'
import { BlockChecksFollower } from '#snapshots/follow-block-checks.ts'
import { type Flotilla, startFlotilla } from '../kit/flotilla.ts'
import { adminToken, pushImage } from '../kit/flotilla-client.ts'
import { waitUntil } from '../kit/wait-until.ts'

const settings = { FLOTILLA_ADMIN_TOKEN: adminToken, FLOTILLA_DEMO: '0', FLOTILLA_SMALL_BLOB_BYTES: '1KiB' }
const snapshotsOf = ({ data }: Flotilla) => join(data, 'snapshots', 'stable')
const keyOf = ({ data }: Flotilla) => join(data, 'keys', 'block.key')

async function publish(server: Flotilla, note: string): Promise<Digest> {
  const layer = Buffer.alloc(50_000, `layer of ${note} `)
  await pushImage(server, { repository: 'base', tag: note, note, layer })
  await server.run('promote', `base:${note}`, '--to', 'stable')
  await server.run('publish', '--now')
  const { layers } = JSON.parse(await readText(server, `/v2/base/manifests/${note}`)) as {
    layers: { digest: Digest }[]
  }
  return layers[0]!.digest
}

async function readText(server: Flotilla, path: string): Promise<string> {
  const accept = 'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json'
  const url = `${server.url('frontdoor')}${path}`
  await waitUntil(async () => (await fetch(url, { headers: { accept } })).ok, { what: `${path} is served` })
  return await (await fetch(url, { headers: { accept } })).text()
}

async function hasChecks(server: Flotilla, digest: Digest): Promise<boolean> {
  await using follower = new BlockChecksFollower({
    folder: snapshotsOf(server),
    channel: 'stable',
    findKey: () => BlockKey.find(keyOf(server)),
  })
  await follower.step()
  return (await follower.find(digest)) !== undefined
}

/** What a program of before block checks would have left, but for the tables, which 0004-block-checks.test.ts looks at. */
async function makeOld(data: string): Promise<void> {
  const db = new Database(join(data, 'catalogue.sqlite'))
  db.run('delete from block_checks')
  db.close()
  await rm(join(data, 'keys', 'block.key'))
  await rm(join(data, 'snapshots', 'stable', 'block-checks.json'))
  await rm(join(data, 'snapshots', 'stable', 'block-checks'), { recursive: true })
}

test('a pushed layer has checks, privately; what an older program left gets them after the upgrade', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'block-checks-flow-'))
  try {
    const digests: Digest[] = []
    {
      await using server = await startFlotilla({ folder, env: settings })
      digests.push(await publish(server, 'one'))
      await waitUntil(() => hasChecks(server, digests[0]!), { what: 'the layer has checks' })
      expect((await stat(keyOf(server))).mode & 0o777).toBe(0o600)
      const told = parseCheckFiles(await readFile(join(snapshotsOf(server), 'block-checks.json')), 'stable')
      expect(told.lacking).toEqual([])
      const tree = await readdir(join(server.data, 'tree'), { recursive: true })
      expect(tree.filter((path) => path.includes('check'))).toEqual([])
    }
    await makeOld(join(folder, 'data'))
    {
      await using server = await startFlotilla({ folder, env: settings })
      digests.push(await publish(server, 'two'))
      for (const digest of digests) await waitUntil(() => hasChecks(server, digest), { what: `${digest} has checks` })
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}, 120_000)
