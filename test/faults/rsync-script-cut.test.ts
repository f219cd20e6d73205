// The shipped script when rsyncd loses files under its hands, when the line is cut, and when it is killed itself, over and over.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmod, mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { blobPath, type Digest } from '#oci/digest.ts'
import { rsyncdConfig, rsyncdDefaults } from '#stages/replicate/rsyncd-config.ts'
import { CutLine } from '../kit/cut-line.ts'
import { describeWith } from '../kit/need-tool.ts'
import { runProgram } from '../kit/process.ts'
import { PublishedTree } from '../kit/published-tree.ts'
import { type RsyncDaemon, startRsyncDaemon } from '../kit/rsync-daemon.ts'
import {
  blobsIn,
  lackedBlobs,
  rsyncScript,
  runScript,
  scriptEnvironment,
  traceGeneration,
} from '../kit/rsync-script.ts'
import { waitUntil } from '../kit/wait-until.ts'

const host = 'mirror.example.org'
const kills = Number(process.env.FLOTILLA_TEST_KILLS ?? 25)
const randomBytes = (size: number) => crypto.getRandomValues(new Uint8Array(size))

describeWith('rsyncd', ['rsync'])('the script', () => {
  let root: string
  let tree: PublishedTree
  let daemon: RsyncDaemon
  let to: string
  const run = (options: readonly string[] = [], source = daemon.url) => runScript([...options, source, to, host])
  const incoming = (digest: Digest) => join(to, '.flotilla-rsync/incoming', blobPath(digest))

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'rsync-script-cut-'))
    await chmod(root, 0o755)
    tree = await PublishedTree.make(join(root, 'tree'), join(root, 'keys'))
    await tree.add(randomBytes(1000))
    await tree.publish()
    await mkdir(join(root, 'rsyncd'))
    const isRoot = process.getuid?.() === 0
    daemon = await startRsyncDaemon(
      join(root, 'rsyncd'),
      rsyncdConfig({ ...rsyncdDefaults, folder: tree.folder, isRoot, maxConnections: 100 }),
    )
    to = join(root, 'copy')
    expect(await run()).toMatchObject({ code: 0, stderr: '' })
  })
  afterAll(async () => {
    await daemon[Symbol.asyncDispose]()
    await rm(root, { recursive: true })
  })

  test('fetches the list again when a file vanishes between list and copy', async () => {
    const digests = [await tree.add(randomBytes(1_500_000)), await tree.add(randomBytes(1_500_000))].sort() as [
      Digest,
      Digest,
    ]
    await tree.publish()
    const running = run(['--verbose', '--bandwidth', '700k'])
    await waitUntil(async () => (await stat(incoming(digests[0]))).size > 0, { what: 'the first blob to come' })
    await tree.eraseBlob(digests[1])
    tree.remove(digests[1])
    await tree.publish()
    const ended = await running
    expect(ended).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/rsync ended with (23|24)/) })
    expect(await traceGeneration(to, host)).toBe(tree.generation)
    expect(await blobsIn(to)).toEqual([...tree.blobs.keys()].sort())
  })

  test('keeps the old state when the line is cut, and goes on where it was', async () => {
    await using line = new CutLine(Number(new URL(daemon.url).port))
    const url = `rsync://127.0.0.1:${await line.listen()}/flotilla`
    const digest = await tree.add(randomBytes(2_000_000))
    const before = tree.generation
    await tree.publish()
    line.bytesLeft = 1_000_000
    const cut = await run([], url)
    expect(cut).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/rsync ended with \d+.*the copy is as it was/s),
    })
    expect(await traceGeneration(to, host)).toBe(before)
    const { size } = await stat(incoming(digest))
    expect(size).toBeGreaterThan(200_000)
    line.bytesLeft = 2_000_000 - size + 100_000
    expect(await run([], url)).toMatchObject({ code: 0, stderr: '' })
    expect(await lackedBlobs(to, tree.blobs.keys())).toEqual([])
  })

  test('killed at any moment, leaves what its trace names and goes on', async () => {
    const states = new Map([[tree.generation, [...tree.blobs.keys()]]])
    let finished = 0
    for (let round = 0; round < kills; round++) {
      for (let n = 0; n < 5; n++) await tree.add(randomBytes(20_000))
      tree.remove([...tree.blobs.keys()][0]!)
      await tree.publish()
      states.set(tree.generation, [...tree.blobs.keys()])
      const limitMs = 50 + Math.floor(Math.random() * 1_400)
      const args = ['--grace-days', '0', daemon.url, to, host]
      const { code } = await runProgram(rsyncScript, args, { env: scriptEnvironment, limitMs })
      if (code === 0) finished++
      const generation = (await traceGeneration(to, host))!
      expect([round, await lackedBlobs(to, states.get(generation)!)]).toEqual([round, []])
    }
    expect(await run(['--grace-days', '0'])).toMatchObject({ code: 0, stderr: '' })
    expect(await traceGeneration(to, host)).toBe(tree.generation)
    expect(await lackedBlobs(to, tree.blobs.keys())).toEqual([])
    expect(await blobsIn(to)).toEqual([...tree.blobs.keys()].sort())
    const notes = (await readdir(join(to, '.flotilla-rsync'))).filter((one) => !one.startsWith('held'))
    expect(notes.sort()).toEqual(['child', 'done', 'left', 'named', 'timestamp', 'to-report'])
    console.log(`${kills} kills, of which ${finished} came too late`)
  }, 300_000)
})
