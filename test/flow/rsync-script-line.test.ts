// The shipped script behind the real publisher: a copy that comes by seldom and one that comes each time are whole trees, as verified from
// the first root on, and what was rolled back leaves and returns.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Digest } from '#oci/digest.ts'
import { describeWith } from '../kit/need-tool.ts'
import { largeLayer, openReleaseLine, type ReleaseLine } from '../kit/release-line.ts'
import { blobsIn, lackedBlobs, runScript, traceGeneration } from '../kit/rsync-script.ts'
import { readTree } from '../kit/tree-reading.ts'

describeWith('rsync', ['rsync'])('copies of what the publisher publishes', () => {
  let root: string
  let line: ReleaseLine
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'rsync-script-line-'))
    line = await openReleaseLine(join(root, 'line'))
  })
  afterAll(async () => {
    await line[Symbol.asyncDispose]()
    await rm(root, { recursive: true })
  })

  async function copy(name: string): Promise<void> {
    const to = join(root, name)
    const ended = await runScript(['--grace-days', '0', line.treeOf('stable'), to, `${name}.test`])
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    const [source, copied] = [await readTree(line.treeOf('stable')), await readTree(to)]
    expect(copied.contents).toEqual(source.contents)
    expect(copied.blobs).toEqual(source.blobs)
    expect(await traceGeneration(to, `${name}.test`)).toBe(source.contents.generation)
    const digests = [...source.blobs.keys()] as Digest[]
    expect(await lackedBlobs(to, digests)).toEqual([])
    expect(await blobsIn(to)).toEqual(digests.sort())
  }

  test('are whole, however many generations lie between', async () => {
    const seldom = new Set([2, 3, 7, 12, 25])
    for (let generation = 1; generation <= 25; generation++) {
      await line.push('team/app', {
        tags: ['latest'],
        layers: [largeLayer(`layer ${generation} `)],
        note: `${generation}`,
      })
      await line.promote(['team/app:latest'])
      await line.publish()
      if (generation % 2 === 1) await copy('often')
      if (seldom.has(generation)) await copy('seldom')
    }
  }, 120_000)

  test('follow a rollback', async () => {
    await line.rollback(5)
    await line.publish()
    await copy('often')
    await copy('seldom')
  })
})
