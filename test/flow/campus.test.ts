// A front door over a copied tree answers everything, and needs neither the origin nor, for what it has taken, the copy.

import { afterEach, beforeEach, describe, expect, setSystemTime, test } from 'bun:test'
import { readFile, rename, rm, symlink, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { blobPath, type Digest } from '#oci/digest.ts'
import { Campus, layer, layerDigest, smallDigest } from '../kit/campus.ts'
import { copyContents, copyMetadata, copyTree, timestampName } from '../kit/copy-tree.ts'
import { mustRun } from '../kit/process.ts'
import { digestOf } from '../kit/published-tree.ts'
import { waitUntil } from '../kit/wait-until.ts'

const dayMs = 86_400_000

let campus: Campus

beforeEach(async () => {
  campus = await Campus.make()
})
afterEach(async () => {
  setSystemTime()
  await campus[Symbol.asyncDispose]()
})

describe('a whole registry', () => {
  test('by tag and by digest: manifests, an index, tags, referrers, small blobs and layers', async () => {
    const child = await campus.line.push('app', { tags: ['2'], note: 'child' })
    const index = await campus.line.pushIndex('app', [child], { tags: ['multi'] })
    const signature = await campus.line.push('app', { tags: ['signature'], subject: child, layers: ['signed'] })
    await campus.line.promote(['app:2', 'app:multi', 'app:signature'])
    await campus.line.publish()
    await copyTree(campus.tree, campus.copy)
    const { served } = await campus.start()
    expect(served?.publication.channel).toBe('stable')
    for (const reference of ['1', '2', 'multi', index, child]) {
      const answer = await campus.get(`/v2/app/manifests/${reference}`)
      expect([reference, answer.status]).toEqual([reference, 200])
      expect(digestOf(new Uint8Array(await answer.arrayBuffer()))).toBe(
        answer.headers.get('docker-content-digest') as Digest,
      )
    }
    expect(await (await campus.get('/v2/_catalog')).json()).toEqual({ repositories: ['app'] })
    expect(((await (await campus.get('/v2/app/tags/list')).json()) as { tags: string[] }).tags).toContain('multi')
    const referrers = (await (await campus.get(`/v2/app/referrers/${child}`)).json()) as {
      manifests: { digest: string }[]
    }
    expect(referrers.manifests.map(({ digest }) => digest)).toEqual([signature])
    expect(await (await campus.get(`/v2/app/blobs/${smallDigest}`)).text()).toBe('small')
    expect(await (await campus.get(`/v2/app/blobs/${layerDigest}`)).text()).toBe(layer)
    const part = await campus.get(`/v2/app/blobs/${layerDigest}`, { range: 'bytes=5-9' })
    expect([part.status, await part.text()]).toEqual([206, layer.slice(5, 10)])
  })

  test.each([
    ['lacks', () => rm(join(campus.copy, blobPath(layerDigest)))],
    ['has cut short', () => truncate(join(campus.copy, blobPath(layerDigest)), 1999)],
    [
      'has a link for',
      async () => {
        await rename(join(campus.copy, blobPath(layerDigest)), join(campus.root, 'elsewhere'))
        await symlink(join(campus.root, 'elsewhere'), join(campus.copy, blobPath(layerDigest)))
      },
    ],
    [
      'has a pipe for',
      async () => {
        await rm(join(campus.copy, blobPath(layerDigest)))
        await mustRun('mkfifo', [join(campus.copy, blobPath(layerDigest))])
      },
    ],
  ])('a layer that the copy %s is got upstream, if there is any', async (_, spoil) => {
    await spoil()
    await campus.start()
    expect((await campus.get(`/v2/app/blobs/${layerDigest}`)).status).toBe(503)
    await campus.stop()
    await campus.start({ upstreamUrl: 'https://origin.example.org' })
    const answer = await campus.get(`/v2/app/blobs/${layerDigest}`)
    expect([answer.status, answer.headers.get('location')?.replace(/\?.*/, '')]).toEqual([
      307,
      `https://origin.example.org/${blobPath(layerDigest)}`,
    ])
  })

  test('an origin beside it passes the tree on', async () => {
    const { addresses } = await campus.start({}, ['frontdoor', 'origin'])
    for (const path of [`metadata/${timestampName}`, blobPath(layerDigest)]) {
      const answer = await fetch(`${addresses.origin}/${path}`)
      expect(Buffer.from(await answer.arrayBuffer()).equals(await readFile(join(campus.copy, path)))).toBe(true)
    }
    expect((await fetch(`${addresses.origin}/.replicate/state.json`)).status).toBe(404)
  })

  test('waits for a tree, and says how to make one', async () => {
    await rm(campus.copy, { recursive: true })
    await campus.start()
    expect(await (await campus.get('/readyz')).text()).toContain('flotilla replicate --from')
    expect(await campus.statusOf('1')).toBe(503)
    await copyTree(campus.tree, campus.copy)
    await waitUntil(async () => (await campus.statusOf('1')) === 200, { what: 'the tree is taken up' })
  })
})

describe('cut off from everybody', () => {
  test('past its expiry it serves on and says so, and starts again from what it took', async () => {
    const { followNow } = await campus.start()
    setSystemTime(Date.now() + 4 * dayMs)
    await followNow()
    expect(campus.refusals).toEqual(['expired'])
    const [, expires] = /^flotilla_timestamp_expires_seconds ([0-9.e+]+)$/m.exec(await campus.metrics())!
    expect(Number(expires) * 1000).toBeLessThan(Date.now())
    await campus.stop()
    await campus.start()
    expect(await campus.statusOf('1')).toBe(200)
    expect((await campus.get('/readyz')).status).toBe(200)
    expect(await campus.metrics()).toContain('flotilla_frontdoor_generation 1')
    expect(await campus.metrics()).toContain('tree_refused{reason="expired"} 1')
  })

  test('with the copy gone too, manifests and small blobs are served', async () => {
    await campus.start()
    await campus.stop()
    await rm(campus.copy, { recursive: true })
    await campus.start()
    expect(await campus.statusOf('1')).toBe(200)
    expect((await campus.get(`/v2/app/blobs/${smallDigest}`)).status).toBe(200)
    expect((await campus.get(`/v2/app/blobs/${layerDigest}`)).status).toBe(503)
  })

  test('many generations later, with all packs replaced, it goes on', async () => {
    await campus.start()
    await campus.stop()
    for (let tag = 2; tag <= 9; tag++) await campus.release(String(tag))
    await rm(join(campus.copy, 'catalogue'), { recursive: true })
    await copyContents(campus.tree, campus.copy)
    await copyMetadata(campus.tree, campus.copy)
    await campus.start()
    expect([await campus.statusOf('1'), await campus.statusOf('9')]).toEqual([200, 200])
    expect(campus.refusals).toEqual([])
  })
})
