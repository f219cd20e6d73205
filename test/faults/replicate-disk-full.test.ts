// A disk that fills up while blobs arrive, although it said that there was room: a small file system of its own.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { makeFolder } from '#kit/atomic-file.ts'
import { describeWith, unlessRoot } from '../kit/need-tool.ts'
import { mustRun, runProgram } from '../kit/process.ts'
import { PublishedTree } from '../kit/published-tree.ts'
import { readContents } from '../kit/read-contents.ts'
import { runReplicate } from '../kit/run-replicate.ts'
import { startTreeOrigin, type TreeOrigin } from '../kit/tree-origin.ts'

describeWith(
  'a full disk',
  ['mount'],
  unlessRoot(),
)('a full disk', () => {
  let root: string
  let to: string
  let tree: PublishedTree
  let origin: TreeOrigin
  let client: OutboundClient

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'replicate-full-'))
    to = join(root, 'copy')
    await makeFolder(to)
    await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', to])
    client = new OutboundClient({ allowPrivate: true, userAgent: 'flotilla/test' })
    tree = await PublishedTree.make(join(root, 'tree'), join(root, 'keys'))
    await tree.add(crypto.getRandomValues(new Uint8Array(60_000)))
    await tree.publish()
    origin = startTreeOrigin(tree.folder)
  })
  afterAll(async () => {
    await client[Symbol.asyncDispose]()
    await origin.listener.stop(100)
    await runProgram('umount', [to])
    await rm(root, { recursive: true })
  })

  const run = () => runReplicate(client, { from: [origin.url], to })
  const generationHere = async () => (await readContents(to)).generation

  test('keeps the old generation, frees what it had begun, and completes once there is room', async () => {
    await run()
    for (let n = 0; n < 5; n++) {
      const bytes = new Uint8Array(1_000_000)
      crypto.getRandomValues(bytes.subarray(0, 60_000))
      await tree.add(bytes)
    }
    await tree.publish()
    await expect(run()).rejects.toMatchObject({ reason: 'disk' })
    expect(await generationHere()).toBe(1)
    await expect(run()).rejects.toMatchObject({ reason: 'disk' })
    await mustRun('mount', ['-o', 'remount,size=32m', to])
    expect(await run()).toMatchObject({ outcome: 'updated', generation: 2 })
    expect(await generationHere()).toBe(2)
    expect(await readdir(join(to, '.replicate/parts'))).toEqual([])
  })
})
