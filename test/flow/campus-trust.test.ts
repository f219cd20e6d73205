// A front door over a copied tree takes only what is verified: whatever lies there, the old state is served on.

import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Campus } from '../kit/campus.ts'
import { copyMetadata, copyTree, timestampName } from '../kit/copy-tree.ts'
import { mustRun } from '../kit/process.ts'
import { digestOf } from '../kit/published-tree.ts'
import { openReleaseLine } from '../kit/release-line.ts'

let campus: Campus

beforeEach(async () => {
  campus = await Campus.make()
})
afterEach(() => campus[Symbol.asyncDispose]())

describe('what is not verified is not taken', () => {
  type Case = readonly [what: string, reason: string, spoil: () => Promise<void>]
  const metadata = (name: string) => join(campus.copy, 'metadata', name)
  const newest = async (kind: string) =>
    (await readdir(join(campus.copy, 'metadata')))
      .filter((name) => name.endsWith(kind))
      .sort((a, b) => Number.parseInt(b, 10) - Number.parseInt(a, 10))[0]!
  const cases: readonly Case[] = [
    [
      'edited by hand',
      'unsigned',
      async () => {
        await copyTree(campus.tree, campus.copy)
        const text = await readFile(metadata(timestampName), 'utf8')
        await writeFile(metadata(timestampName), text.replace('"generation":2', '"generation":3'))
      },
    ],
    [
      'with targets edited by hand',
      'mixed',
      async () => {
        await copyTree(campus.tree, campus.copy)
        const name = await newest('.snapshot.json')
        await writeFile(metadata(name), (await readFile(metadata(name), 'utf8')).replace('"version":2', '"version":3'))
      },
    ],
    [
      'copied in the wrong order',
      'pack',
      async () => {
        await copyMetadata(campus.tree, campus.copy)
      },
    ],
    [
      'whose newest snapshot is missing',
      'missing',
      async () => {
        await copyTree(campus.tree, campus.copy)
        await rm(metadata(await newest('.snapshot.json')))
      },
    ],
    [
      'whose packs are damaged',
      'pack',
      async () => {
        await copyTree(campus.tree, campus.copy)
        for (const name of await readdir(join(campus.copy, 'catalogue'))) {
          const path = join(campus.copy, 'catalogue', name)
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
        await symlink(join(campus.tree, 'metadata', timestampName), metadata(timestampName))
      },
    ],
    [
      'of another publisher',
      'unsigned',
      async () => {
        await using other = await openReleaseLine(join(campus.root, 'other'))
        for (const tag of ['1', '2', '3']) {
          await other.push('app', { tags: [tag] })
          await other.promote([`app:${tag}`])
          await other.publish()
        }
        await copyTree(other.treeOf('stable'), campus.copy)
      },
    ],
  ]
  test.each(cases)('a tree %s is refused (%s), the old state stays, told once', async (_, reason, spoil) => {
    const { followNow } = await campus.start()
    await campus.release('2')
    await spoil()
    await followNow()
    await followNow()
    expect(await campus.statusOf('1')).toBe(200)
    expect(await campus.statusOf('2')).toBe(404)
    expect((await campus.get('/readyz')).status).toBe(200)
    expect(campus.refusals).toEqual([reason])
    expect(campus.logged.find((one) => one.reason)?.advice).toBeTruthy()
    expect(await campus.metrics()).toContain(`flotilla_frontdoor_tree_refused{reason="${reason}"} 1`)
    await rm(campus.copy, { recursive: true })
    await copyTree(campus.tree, campus.copy)
    await followNow()
    expect(await campus.statusOf('2')).toBe(200)
    expect(await campus.metrics()).not.toContain('tree_refused{')
  })

  test('packs that are written over in their places take nothing from what was verified, also after a restart', async () => {
    await campus.start()
    for (const name of await readdir(join(campus.copy, 'catalogue'))) {
      const path = join(campus.copy, 'catalogue', name)
      await writeFile(path, Buffer.alloc((await readFile(path)).length))
    }
    expect(await campus.statusOf('1')).toBe(200)
    await campus.stop()
    await campus.start()
    expect(await campus.statusOf('1')).toBe(200)
  })

  test('an older tree is refused, also after a restart', async () => {
    const before = join(campus.root, 'before')
    await copyTree(campus.tree, before)
    await campus.release('2')
    await copyTree(campus.tree, campus.copy)
    const { followNow } = await campus.start()
    await rm(campus.copy, { recursive: true })
    await copyTree(before, campus.copy)
    await followNow()
    await campus.stop()
    await campus.start()
    expect(campus.refusals).toEqual(['backwards', 'backwards'])
    expect(await campus.statusOf('2')).toBe(200)
  })
})

describe('the first root', () => {
  test('is kept and told; another one is refused at the start', async () => {
    await campus.start()
    const fingerprint = digestOf(await readFile(join(campus.copy, 'metadata/1.root.json')))
    expect(campus.logged.map((one) => one.root)).toContain(fingerprint)
    await campus.stop()
    await campus.start({ root: fingerprint })
    await campus.stop()
    await campus.start({ root: join(campus.copy, 'metadata/1.root.json') })
    await campus.stop()
    const other = `sha256:${'0'.repeat(64)}`
    await expect(campus.start({ root: other })).rejects.toThrow(`${other} is given, but`)
    await expect(campus.start({ root: '/nowhere' })).rejects.toThrow('root: /nowhere is neither')
  })

  test('that is not the given one is not believed', async () => {
    await campus.start({ root: `sha256:${'0'.repeat(64)}` })
    expect(await campus.statusOf('1')).toBe(503)
    expect(await (await campus.get('/readyz')).text()).toContain('not the root that was given')
    await campus.stop()
    await campus.start({ root: digestOf(await readFile(join(campus.copy, 'metadata/1.root.json'))) })
    expect(await campus.statusOf('1')).toBe(200)
  })
})
