// What was released copies from what is here now: hosts are not upgraded when we are. test/fixtures/released/README.md tells how a
// release is added.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import pino from 'pino'
import { makeConfig } from '#config/config.ts'
import { loadSettings } from '#config/load-config.ts'
import { keepTree } from '#stages/publish/keep-tree.ts'
import { thinDefaults } from '#stages/publish/thin-tree.ts'
import { startOrigin } from '../../src/roles/origin.ts'
import type { Role } from '../../src/roles/role.ts'
import { openStrangers } from '../../src/roles/strangers.ts'
import { describeWith } from '../kit/need-tool.ts'
import { runProgram } from '../kit/process.ts'
import { largeLayer, openReleaseLine, type ReleaseLine } from '../kit/release-line.ts'
import { startRsyncDaemon } from '../kit/rsync-daemon.ts'
import { scriptEnvironment } from '../kit/rsync-script.ts'
import { readTree } from '../kit/tree-reading.ts'

const released = join(import.meta.dir, '../fixtures/released')
const versions = readdirSync(released, { withFileTypes: true }).flatMap((one) => (one.isDirectory() ? [one.name] : []))

test('there is a release to keep faith with', () => {
  expect(versions).toContain('0.1.0')
})

describeWith('rsync', ['rsync'])('hosts with released software', () => {
  describe.each(versions)('%s', (version) => {
    let root: string
    let line: ReleaseLine
    let origin: Role
    let daemon: Awaited<ReturnType<typeof startRsyncDaemon>>
    let replicate: string
    let script: string

    beforeAll(async () => {
      root = await mkdtemp(join(tmpdir(), 'released-copies-'))
      line = await openReleaseLine(join(root, 'line'), { trees: join(root, 'trees') })
      const flags = {
        data: join(root, 'data'),
        tree: join(root, 'trees'),
        originListen: '127.0.0.1:0',
        countries: 'none',
      }
      const config = makeConfig(loadSettings({ flags, environment: {}, folder: root }).settings)
      await publish(1)
      origin = await startOrigin(config, pino({ level: 'silent' }), await openStrangers(config))
      daemon = await startRsyncDaemon(
        root,
        `[tree]\npath = ${line.treeOf('stable')}\nuse chroot = no\nuid = 0\ngid = 0`,
      )
      replicate = join(root, 'flotilla-replicate.js')
      await writeFile(replicate, gunzipSync(await readFile(join(released, version, 'flotilla-replicate.js.gz'))))
      script = join(root, 'flotilla-rsync')
      await writeFile(script, gunzipSync(await readFile(join(released, version, 'flotilla-rsync.gz'))))
      await chmod(script, 0o755)
    })
    afterAll(async () => {
      await daemon[Symbol.asyncDispose]()
      await origin.stop()
      await line[Symbol.asyncDispose]()
      await rm(root, { recursive: true })
    })

    async function publish(count: number): Promise<void> {
      await line.push('team/app', { tags: ['latest'], layers: [largeLayer(`layer ${count} `)], note: `${count}` })
      await line.promote(['team/app:latest'])
      await line.publish()
    }

    async function copyAll(): Promise<void> {
      const url = `http://127.0.0.1:${origin.listeners.origin!.port}`
      const [bun, copied, scripted] = [process.execPath, join(root, 'copied'), join(root, 'scripted')]
      const args = ['--from', url, '--to', copied, '--name', 'copied.test', '--min-free', '0', '--grace', '0s']
      const ended = [
        await runProgram(bun, [replicate, ...args, '--quiet']),
        await runProgram(script, ['--grace-days', '0', daemon.url, scripted, 'scripted.test'], {
          env: scriptEnvironment,
        }),
      ]
      expect(ended.map(({ code, stderr }) => ({ code, stderr }))).toMatchObject([{ code: 0 }, { code: 0 }])
      const source = await readTree(line.treeOf('stable'))
      for (const copy of [copied, scripted]) {
        const found = await readTree(copy)
        expect(found.contents).toEqual(source.contents)
        expect(found.blobs).toEqual(source.blobs)
      }
    }

    test('copy what is published, generation after generation, and what was rolled back', async () => {
      await copyAll()
      for (let count = 2; count <= 12; count++) await publish(count)
      await copyAll()
      await line.rollback(5)
      await line.publish()
      await copyAll()
    }, 60_000)

    test('follow a tree that is signed anew and thinned', async () => {
      await keepTree('stable', line.stores, { ...thinDefaults, graceMs: 0 })
      await publish(13)
      await copyAll()
    }, 60_000)
  })
})
