// A front door over a copied tree: it answers everything, takes only what is verified, and needs neither the origin nor, for what it
// has taken, the copy.

import { afterEach, beforeEach, describe, expect, setSystemTime, test } from 'bun:test'
import { mkdtemp, readdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { makeConfig } from '#config/config.ts'
import { loadSettings } from '#config/load-config.ts'
import { blobPath, type Digest } from '#oci/digest.ts'
import { type RunningCopy, runCopy } from '#roles/run-copy.ts'
import { copyContents, copyMetadata, copyTree, timestampName } from '../kit/copy-tree.ts'
import { findFreePort } from '../kit/free-port.ts'
import { mustRun } from '../kit/process.ts'
import { digestOf } from '../kit/published-tree.ts'
import { largeLayer, openReleaseLine, type ReleaseLine } from '../kit/release-line.ts'
import { waitUntil } from '../kit/wait-until.ts'

const dayMs = 86_400_000
const layer = largeLayer('a layer that travels ', 2000)
const layerDigest = digestOf(Buffer.from(layer)) as Digest

let root: string
let line: ReleaseLine
let tree: string
let copy: string
let campus: RunningCopy | undefined
let port: number
let metricsPort: number
let logged: { msg: string; reason?: string; advice?: string; root?: string }[]

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'campus-'))
  line = await openReleaseLine(join(root, 'publisher'))
  tree = line.treeOf('stable')
  copy = join(root, 'copy')
  port = await findFreePort()
  metricsPort = await findFreePort()
  logged = []
  await release('1')
  await copyTree(tree, copy)
})
afterEach(async () => {
  setSystemTime()
  await stop()
  await line[Symbol.asyncDispose]()
  await rm(root, { recursive: true })
})

async function release(tag: string): Promise<Digest> {
  const digest = await line.push('app', { tags: [tag], layers: [layer, 'small'], note: tag })
  await line.promote([`app:${tag}`])
  await line.publish()
  return digest
}

async function start(flags: Record<string, string> = {}, names: readonly ('frontdoor' | 'origin')[] = ['frontdoor']) {
  const log = pino({ level: 'info' }, { write: (text: string) => void logged.push(JSON.parse(text)) })
  const listen = {
    frontdoorListen: `127.0.0.1:${port}`,
    metricsListen: `127.0.0.1:${metricsPort}`,
    originListen: '127.0.0.1:0',
  }
  const { settings } = loadSettings({
    flags: { data: join(root, 'data'), drain: '1s', ...listen, ...flags },
    environment: {},
    folder: root,
  })
  campus = await runCopy(names, makeConfig(settings), copy, log)
  return campus
}

async function stop(): Promise<void> {
  await campus?.[Symbol.asyncDispose]()
  campus = undefined
}

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(`http://127.0.0.1:${port}${path}`, { headers, redirect: 'manual' })
const statusOf = async (tag: string) => (await get(`/v2/app/manifests/${tag}`)).status
const metrics = async () => await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
const refusals = () => logged.filter(({ reason }) => reason !== undefined)

describe('a whole registry', () => {
  test('by tag and by digest: manifests, an index, tags, referrers, small blobs and layers', async () => {
    const child = await line.push('app', { tags: ['2'], note: 'child' })
    const index = await line.pushIndex('app', [child], { tags: ['multi'] })
    const signature = await line.push('app', { tags: ['signature'], subject: child, layers: ['signed'] })
    await line.promote(['app:2', 'app:multi', 'app:signature'])
    await line.publish()
    await copyTree(tree, copy)
    const { served } = await start()
    expect(served?.publication.channel).toBe('stable')
    for (const reference of ['1', '2', 'multi', index, child]) {
      const answer = await get(`/v2/app/manifests/${reference}`)
      expect([reference, answer.status]).toEqual([reference, 200])
      expect(digestOf(new Uint8Array(await answer.arrayBuffer()))).toBe(
        answer.headers.get('docker-content-digest') as Digest,
      )
    }
    expect(await (await get('/v2/_catalog')).json()).toEqual({ repositories: ['app'] })
    expect(((await (await get('/v2/app/tags/list')).json()) as { tags: string[] }).tags).toContain('multi')
    const referrers = (await (await get(`/v2/app/referrers/${child}`)).json()) as { manifests: { digest: string }[] }
    expect(referrers.manifests.map(({ digest }) => digest)).toEqual([signature])
    expect(await (await get(`/v2/app/blobs/${digestOf(Buffer.from('small'))}`)).text()).toBe('small')
    expect(await (await get(`/v2/app/blobs/${layerDigest}`)).text()).toBe(layer)
    const part = await get(`/v2/app/blobs/${layerDigest}`, { range: 'bytes=5-9' })
    expect([part.status, await part.text()]).toEqual([206, layer.slice(5, 10)])
  })

  test.each([
    ['lacks', () => rm(join(copy, blobPath(layerDigest)))],
    ['has cut short', () => truncate(join(copy, blobPath(layerDigest)), 1999)],
    [
      'has a link for',
      async () => {
        await rename(join(copy, blobPath(layerDigest)), join(root, 'elsewhere'))
        await symlink(join(root, 'elsewhere'), join(copy, blobPath(layerDigest)))
      },
    ],
    [
      'has a pipe for',
      async () => {
        await rm(join(copy, blobPath(layerDigest)))
        await mustRun('mkfifo', [join(copy, blobPath(layerDigest))])
      },
    ],
  ])('a layer that the copy %s is got upstream, if there is any', async (_, spoil) => {
    await spoil()
    await start()
    expect((await get(`/v2/app/blobs/${layerDigest}`)).status).toBe(503)
    await stop()
    await start({ upstreamUrl: 'https://origin.example.org' })
    const answer = await get(`/v2/app/blobs/${layerDigest}`)
    expect([answer.status, answer.headers.get('location')]).toEqual([
      307,
      `https://origin.example.org/${blobPath(layerDigest)}`,
    ])
  })

  test('an origin beside it passes the tree on', async () => {
    const { addresses } = await start({}, ['frontdoor', 'origin'])
    for (const path of [`metadata/${timestampName}`, blobPath(layerDigest)]) {
      const answer = await fetch(`${addresses.origin}/${path}`)
      expect(Buffer.from(await answer.arrayBuffer()).equals(await readFile(join(copy, path)))).toBe(true)
    }
    expect((await fetch(`${addresses.origin}/.replicate/state.json`)).status).toBe(404)
  })

  test('waits for a tree, and says how to make one', async () => {
    await rm(copy, { recursive: true })
    await start()
    expect(await (await get('/readyz')).text()).toContain('flotilla replicate --from')
    expect(await statusOf('1')).toBe(503)
    await copyTree(tree, copy)
    await waitUntil(async () => (await statusOf('1')) === 200, { what: 'the tree is taken up' })
  })
})

describe('what is not verified is not taken', () => {
  type Case = readonly [what: string, reason: string, spoil: () => Promise<void>]
  const metadata = (name: string) => join(copy, 'metadata', name)
  const newest = async (kind: string) =>
    (await readdir(join(copy, 'metadata')))
      .filter((name) => name.endsWith(kind))
      .sort((a, b) => Number.parseInt(b, 10) - Number.parseInt(a, 10))[0]!
  const cases: readonly Case[] = [
    [
      'edited by hand',
      'unsigned',
      async () => {
        await copyTree(tree, copy)
        const text = await readFile(metadata(timestampName), 'utf8')
        await writeFile(metadata(timestampName), text.replace('"generation":2', '"generation":3'))
      },
    ],
    [
      'with targets edited by hand',
      'mixed',
      async () => {
        await copyTree(tree, copy)
        const name = await newest('.snapshot.json')
        await writeFile(metadata(name), (await readFile(metadata(name), 'utf8')).replace('"version":2', '"version":3'))
      },
    ],
    [
      'copied in the wrong order',
      'pack',
      async () => {
        await copyMetadata(tree, copy)
      },
    ],
    [
      'whose newest snapshot is missing',
      'missing',
      async () => {
        await copyTree(tree, copy)
        await rm(metadata(await newest('.snapshot.json')))
      },
    ],
    [
      'whose packs are damaged',
      'pack',
      async () => {
        await copyTree(tree, copy)
        for (const name of await readdir(join(copy, 'catalogue'))) {
          const path = join(copy, 'catalogue', name)
          await writeFile(path, Buffer.alloc((await readFile(path)).length))
        }
      },
    ],
    [
      'of a timestamp without end',
      'unreadable',
      async () => {
        await rm(metadata(timestampName))
        await writeFile(metadata(timestampName), '')
        await truncate(metadata(timestampName), 2 ** 40)
      },
    ],
    [
      'whose timestamp is a pipe',
      'unreadable',
      async () => {
        await rm(metadata(timestampName))
        await mustRun('mkfifo', [metadata(timestampName)])
      },
    ],
    [
      'whose timestamp is a link',
      'unreadable',
      async () => {
        await rm(metadata(timestampName))
        await symlink(join(tree, 'metadata', timestampName), metadata(timestampName))
      },
    ],
    [
      'of another publisher',
      'unsigned',
      async () => {
        await using other = await openReleaseLine(join(root, 'other'))
        for (const tag of ['1', '2', '3']) {
          await other.push('app', { tags: [tag] })
          await other.promote([`app:${tag}`])
          await other.publish()
        }
        await copyTree(other.treeOf('stable'), copy)
      },
    ],
  ]
  test.each(cases)('a tree %s is refused (%s), the old state stays, told once', async (_, reason, spoil) => {
    const { followNow } = await start()
    await release('2')
    await spoil()
    await followNow()
    await followNow()
    expect(await statusOf('1')).toBe(200)
    expect(await statusOf('2')).toBe(404)
    expect((await get('/readyz')).status).toBe(200)
    expect(refusals().map((one) => one.reason)).toEqual([reason])
    expect(refusals()[0]!.advice).toBeTruthy()
    expect(await metrics()).toContain(`flotilla_frontdoor_tree_refused{reason="${reason}"} 1`)
    await rm(copy, { recursive: true })
    await copyTree(tree, copy)
    await followNow()
    expect(await statusOf('2')).toBe(200)
    expect(await metrics()).not.toContain('tree_refused{')
  })

  test('an older tree is refused, also after a restart', async () => {
    const before = join(root, 'before')
    await copyTree(tree, before)
    await release('2')
    await copyTree(tree, copy)
    await start()
    await rm(copy, { recursive: true })
    await copyTree(before, copy)
    await campus!.followNow()
    await stop()
    await start()
    expect(refusals().map((one) => one.reason)).toEqual(['backwards', 'backwards'])
    expect(await statusOf('2')).toBe(200)
  })
})

describe('the first root', () => {
  test('is kept and told; another one is refused at the start', async () => {
    await start()
    const fingerprint = digestOf(await readFile(join(copy, 'metadata/1.root.json')))
    expect(logged.map((one) => one.root)).toContain(fingerprint)
    await stop()
    await start({ root: fingerprint })
    await stop()
    await start({ root: join(copy, 'metadata/1.root.json') })
    await stop()
    const other = `sha256:${'0'.repeat(64)}`
    await expect(start({ root: other })).rejects.toThrow(`${other} is given, but`)
    await expect(start({ root: '/nowhere' })).rejects.toThrow('root: /nowhere is neither')
  })

  test('that is not the given one is not believed', async () => {
    await start({ root: `sha256:${'0'.repeat(64)}` })
    expect(await statusOf('1')).toBe(503)
    expect(await (await get('/readyz')).text()).toContain('not the root that was given')
    await stop()
    await start({ root: digestOf(await readFile(join(copy, 'metadata/1.root.json'))) })
    expect(await statusOf('1')).toBe(200)
  })
})

describe('cut off from everybody', () => {
  test('past its expiry it serves on and says so, and starts again from what it took', async () => {
    const { followNow } = await start()
    setSystemTime(Date.now() + 4 * dayMs)
    await followNow()
    expect(refusals().map((one) => one.reason)).toEqual(['expired'])
    const [, expires] = /^flotilla_timestamp_expires_seconds ([0-9.e+]+)$/m.exec(await metrics())!
    expect(Number(expires) * 1000).toBeLessThan(Date.now())
    await stop()
    await start()
    expect(await statusOf('1')).toBe(200)
    expect((await get('/readyz')).status).toBe(200)
    expect(await metrics()).toContain('flotilla_frontdoor_generation 1')
    expect(await metrics()).toContain('tree_refused{reason="expired"} 1')
  })

  test('with the copy gone too, manifests and small blobs are served', async () => {
    await start()
    await stop()
    await rm(copy, { recursive: true })
    await start()
    expect(await statusOf('1')).toBe(200)
    expect((await get(`/v2/app/blobs/${digestOf(Buffer.from('small'))}`)).status).toBe(200)
    expect((await get(`/v2/app/blobs/${layerDigest}`)).status).toBe(503)
  })

  test('many generations later, with all packs replaced, it goes on', async () => {
    await start()
    await stop()
    for (let tag = 2; tag <= 9; tag++) await release(String(tag))
    await rm(join(copy, 'catalogue'), { recursive: true })
    await copyContents(tree, copy)
    await copyMetadata(tree, copy)
    await start()
    expect([await statusOf('1'), await statusOf('9')]).toEqual([200, 200])
    expect(refusals()).toEqual([])
  })
})
