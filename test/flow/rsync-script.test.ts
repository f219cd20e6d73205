// The shipped script against the real rsyncd with the configuration that we ship: what it copies, asks for, deletes and says.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Digest } from '#oci/digest.ts'
import { type BlobListLine, type ListedBlob, writeBlobList } from '#snapshots/blob-list.ts'
import { type TreeFile, timestampPath } from '#snapshots/tree-contents.ts'
import { spanPath } from '#snapshots/tree-path.ts'
import { rsyncdConfig, rsyncdDefaults } from '#stages/replicate/rsyncd-config.ts'
import { describeWith } from '../kit/need-tool.ts'
import { runProgram } from '../kit/process.ts'
import { PublishedTree } from '../kit/published-tree.ts'
import { readContents } from '../kit/read-contents.ts'
import { type RsyncDaemon, startRsyncDaemon } from '../kit/rsync-daemon.ts'
import { blobsIn, lackedBlobs, rsyncScript, runScript, traceGeneration } from '../kit/rsync-script.ts'
import { getTool } from '../kit/tool.ts'
import { startTreeOrigin, type TreeOrigin } from '../kit/tree-origin.ts'

const host = 'mirror.example.org'
const bytesOf = (text: string) => new TextEncoder().encode(text.repeat(200))

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rsync-script-'))
  // rsyncd gives up its rights and must still reach the tree.
  await chmod(root, 0o755)
})
afterAll(() => rm(root, { recursive: true }))

async function serve(folder: string, name: string): Promise<RsyncDaemon> {
  await mkdir(join(root, name), { recursive: true })
  const isRoot = process.getuid?.() === 0
  return startRsyncDaemon(join(root, name), rsyncdConfig({ ...rsyncdDefaults, folder, isRoot }))
}

describeWith('shellcheck', ['shellcheck'])('shellcheck', () => {
  test('has nothing to say about the script', async () => {
    const { stdout, code } = await runProgram(getTool('shellcheck'), ['-s', 'sh', rsyncScript])
    expect([stdout, code]).toEqual(['', 0])
  })
})

const applets =
  'awk sed sort xargs find ls sha256sum fold gzip cut tr wc cmp mv cp rm ln mkdir cat date head tail grep chmod'

/** Debian's sh and awk, and what a router or a small container has. */
const shells = [
  { name: 'sh', shell: [], tools: ['rsync'], applets: '' },
  { name: 'busybox', shell: ['busybox', 'sh'], tools: ['rsync', 'busybox'], applets },
] as const

for (const { name, shell, tools, applets } of shells) {
  describeWith(`the script by ${name}`, tools)(`the script by ${name}`, () => {
    let tree: PublishedTree
    let daemon: RsyncDaemon
    let to: string
    const states = new Map<number, Map<Digest, ListedBlob>>()
    const run = (options: readonly string[] = [], env: Record<string, string> = {}) =>
      runScript([...options, daemon.url, to, host], { shell, env: { ...env, PATH: path } })
    let path = process.env.PATH
    const publish = async (options = {}) => {
      await tree.publish(options)
      states.set(tree.generation, new Map(tree.blobs))
    }

    beforeAll(async () => {
      const base = join(root, name)
      if (applets !== '') {
        const programs = join(base, 'programs')
        await mkdir(programs, { recursive: true })
        for (const one of applets.split(' ')) await symlink(getTool('busybox'), join(programs, one))
        path = `${programs}:${path}`
      }
      tree = await PublishedTree.make(join(base, 'tree'), join(base, 'keys'))
      to = join(base, 'copy')
      for (let n = 0; n < 30; n++) await tree.add(bytesOf(`blob ${n}`))
      await publish()
      daemon = await serve(tree.folder, name)
    })
    afterAll(async () => {
      await daemon[Symbol.asyncDispose]()
      states.clear()
    })

    test('tells in a dry run what it would copy, and changes nothing', async () => {
      const { stdout, code } = await run(['--dry-run'])
      expect([code, stdout]).toEqual([0, expect.stringMatching(/^generation 1: 30 blobs to copy \(\d+ bytes\)/)])
      expect(await readdir(to)).toEqual(['.flotilla-rsync', 'blobs'])
    })

    test('copies all there is; files and folders as web servers need them', async () => {
      expect(await run()).toEqual({
        code: 0,
        stderr: '',
        stdout: expect.stringContaining('generation 1: 30 blobs copied'),
      })
      expect(await lackedBlobs(to, tree.blobs.keys())).toEqual([])
      expect((await readContents(to)).generation).toBe(1)
      expect(await traceGeneration(to, host)).toBe(1)
      for (const path of await readdir(to, { recursive: true })) {
        if (path.startsWith('.')) continue
        const found = await stat(join(to, path))
        expect([path, found.mode & 0o777]).toEqual([path, found.isDirectory() ? 0o755 : 0o644])
      }
    })

    test('asks once when there is nothing new', async () => {
      const before = daemon.connections()
      expect(await run()).toEqual({ code: 0, stderr: '', stdout: '' })
      expect(daemon.connections() - before).toBe(1)
    })

    test('asks four times for a change: timestamp, metadata, list, files', async () => {
      await tree.add(bytesOf('one more'))
      await publish()
      const before = daemon.connections()
      expect(await run(['--quiet'])).toEqual({ code: 0, stderr: '', stdout: '' })
      expect(daemon.connections() - before).toBe(4)
      expect(await lackedBlobs(to, tree.blobs.keys())).toEqual([])
    })

    test('a timestamp that was only signed again costs no list and no blob', async () => {
      const before = await blobsIn(to)
      const contents = await readContents(tree.folder)
      await tree.writeContents(contents)
      expect((await run()).code).toBe(0)
      expect(await readFile(join(to, timestampPath))).toEqual(await readFile(join(tree.folder, timestampPath)))
      expect(await blobsIn(to)).toEqual(before)
    })

    test('comes from a generation amid a run of changes, and back to a blob that had left', async () => {
      const [first, second] = [...tree.blobs.keys()] as [Digest, Digest]
      await tree.add(bytesOf('third'))
      tree.remove(first)
      await publish()
      expect((await run()).code).toBe(0)
      const kept = states.get(2)!.get(first)!
      tree.blobs.set(first, { ...kept, generation: 4 })
      tree.remove(second)
      await publish()
      await tree.add(bytesOf('fifth'))
      await publish({ isCheckpoint: true })
      // Held is 3: the only way there is by the run 2-5, which tells of more than has changed since.
      const merged = await writeRun(tree, states.get(2)!, 2)
      await rm(join(to, 'lists'), { recursive: true })
      await tree.writeContents({ ...(await readContents(tree.folder)), lists: [tree.lists.at(-1)!, merged] })
      const asked = await run(['--verbose'])
      expect(asked).toMatchObject({ code: 0, stderr: '' })
      expect(await lackedBlobs(to, tree.blobs.keys())).toEqual([])
      expect(await blobsIn(to)).toContain(second)
      expect(await readFile(join(to, '.flotilla-rsync/left'), 'utf8')).not.toContain(first)
      const held = (await readdir(join(to, '.flotilla-rsync'))).filter((one) => one.startsWith('held'))
      expect(held).toEqual([`held-5-${tree.blobs.size}`])
      const lines = (await readFile(join(to, '.flotilla-rsync', held[0]!), 'utf8')).trimEnd().split('\n')
      expect(lines).toEqual([...tree.blobs.values()].map((one) => `${one.digest} 0 + ${one.sizeBytes}`).sort())
      tree.lists = [tree.lists.at(-1)!, merged]
    })

    test('deletes after the grace what lists named once, never what none named', async () => {
      const stray = join(to, 'blobs/sha256/00', '0'.repeat(64))
      await mkdir(join(stray, '..'), { recursive: true })
      await writeFile(stray, 'of somebody else')
      await writeFile(join(to, 'README'), 'of somebody else')
      const left = (await blobsIn(to)).filter((one) => !tree.blobs.has(one))
      expect((await run()).code).toBe(0)
      expect(await blobsIn(to)).toEqual(expect.arrayContaining(left))
      expect((await run(['--grace-days', '0'])).code).toBe(0)
      await rm(stray)
      expect(await blobsIn(to)).toEqual([...tree.blobs.keys()].sort())
      expect(await readdir(to)).toContain('README')
      expect((await readdir(join(to, 'metadata'))).filter((one) => one.includes('targets'))).toHaveLength(1)
      expect(await readdir(join(to, 'catalogue'))).toEqual(['5.pack'])
    })

    test('finds what was damaged, and fetches what somebody deleted', async () => {
      const [rotten, gone] = await blobsIn(to)
      const path = (digest: Digest) => join(to, `blobs/sha256/${digest.slice(7, 9)}/${digest.slice(7)}`)
      const { size } = await stat(path(rotten!))
      await writeFile(path(rotten!), 'x'.repeat(size))
      await rm(path(gone!))
      expect(await run(['--check'])).toMatchObject({ code: 0, stdout: expect.stringContaining('1 of 31 blobs') })
      expect(await lackedBlobs(to, tree.blobs.keys())).toEqual([])
    })

    test('of two at once one works and the other says so', async () => {
      await tree.add(bytesOf('for two'))
      await publish()
      const both = await Promise.all([run(), run()])
      const codes = both.map((one) => one.code).sort()
      expect(codes[0]).toBe(0)
      for (const { code, stderr } of both)
        if (code !== 0) expect(stderr).toMatch(/another run (\(process \d+\) is at work|has just begun)/)
      expect(await traceGeneration(to, host)).toBe(tree.generation)
      expect((await run()).code).toBe(0)
    })
  })
}

/** A list of all that changed since an older generation, as a publisher writes that names few files. */
async function writeRun(tree: PublishedTree, since: Map<Digest, ListedBlob>, from: number): Promise<TreeFile> {
  const lines: BlobListLine[] = []
  for (const blob of tree.blobs.values())
    if (since.get(blob.digest)?.generation !== blob.generation) lines.push({ ...blob, sign: '+' })
  for (const blob of since.values()) if (!tree.blobs.has(blob.digest)) lines.push({ ...blob, sign: '-' })
  lines.sort((a, b) => (a.digest < b.digest ? -1 : 1))
  const span = { from, to: tree.generation }
  const path = spanPath('list', span)
  const header = { channel: tree.channel, ...span, count: lines.length }
  return { ...span, path, ...(await writeBlobList(join(tree.folder, path), header, lines)) }
}

describeWith('metadata by https', ['rsync', 'curl'])('metadata from an origin, blobs by rsync', () => {
  let tree: PublishedTree
  let daemon: RsyncDaemon
  let origin: TreeOrigin
  let to: string
  const run = (...options: string[]) => runScript(['--metadata', origin.url, ...options, daemon.url, to, host])
  beforeAll(async () => {
    tree = await PublishedTree.make(join(root, 'https/tree'), join(root, 'https/keys'))
    for (let n = 0; n < 3; n++) await tree.add(bytesOf(`blob ${n}`))
    await tree.publish()
    daemon = await serve(tree.folder, 'https')
    origin = startTreeOrigin(tree.folder)
    to = join(root, 'https/copy')
  })
  afterAll(async () => {
    await daemon[Symbol.asyncDispose]()
    await origin.listener.stop(100)
  })

  test('copies', async () => {
    expect(await run()).toMatchObject({ code: 0, stderr: '' })
    expect(await lackedBlobs(to, tree.blobs.keys())).toEqual([])
    expect(await traceGeneration(to, host)).toBe(1)
  })

  test('is one answer without a body, and no rsync, when nothing is new', async () => {
    const before = daemon.connections()
    origin.forget()
    expect(await run()).toEqual({ code: 0, stderr: '', stdout: '' })
    expect([origin.asked, origin.statuses]).toEqual([[`GET /${timestampPath}`], [304]])
    expect(daemon.connections()).toBe(before)
  })

  test('waits for news where the origin tells them, and runs at once where it does not', async () => {
    await tree.add(bytesOf('news'))
    await tree.publish()
    origin.forget()
    origin.interfere = (ask) =>
      ask.path === '/generations/next' && ask.query === 'after=1'
        ? { status: 200, headers: {}, body: '{"generation":2,"afterSeconds":0}\n' }
        : undefined
    expect(await run('--wait', '60')).toMatchObject({ code: 0, stderr: '' })
    expect(await traceGeneration(to, host)).toBe(2)
    expect(origin.asked[0]).toBe('GET /generations/next')
    origin.interfere = () => undefined
    expect(await run('--wait', '60')).toMatchObject({ code: 0, stderr: '', stdout: '' })
  })
})

describe('a wrong use', () => {
  const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['nothing', [], /a source and a folder are needed/],
    ['an option that it has not', ['--frobnicate', 'a', 'b'], /no option --frobnicate/],
    ['a host name with a slash', ['a', 'b', '../etc'], /not a host name/],
    ['a host name with an upper case letter', ['a', 'b', 'Mirror'], /not a host name/],
    ['a host name with a long part', ['a', 'b', 'm'.repeat(64)], /not a host name/],
    ['a number that is none', ['--grace-days', 'one', 'a', 'b'], /not a whole number: one/],
    ['an option without its value', ['--grace-days'], /--grace-days needs a value/],
    ['waiting without an origin', ['--wait', '5', 'a', 'b'], /--wait needs --metadata/],
  ]
  test.each(cases)('%s ends with 2 and says why', async (_, args, reason) => {
    expect(await runScript(args)).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(reason) })
  })

  test('--help tells who verifies signatures', async () => {
    expect((await runScript(['--help'])).stdout).toContain('flotilla replicate')
  })
})
