// docs/run-a-host.md is followed by people who do not know us: what it says is run here as it stands there.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { access, chmod, copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { firstRootPath } from '#snapshots/tree-contents.ts'
import { rsyncdConfig, rsyncdDefaults } from '#stages/replicate/rsyncd-config.ts'
import { findFreePort } from '../kit/free-port.ts'
import { describeWith } from '../kit/need-tool.ts'
import { mustRun, type RunningProcess, runProgram, startProcess } from '../kit/process.ts'
import { PublishedTree } from '../kit/published-tree.ts'
import { lackedBlobs } from '../kit/rsync-script.ts'
import { getTool } from '../kit/tool.ts'
import { startTreeOrigin, type TreeOrigin } from '../kit/tree-origin.ts'
import { waitUntil } from '../kit/wait-until.ts'

const repository = join(import.meta.dir, '../..')
const page = await readFile(join(repository, 'docs/run-a-host.md'), 'utf8')
const blocks = [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map((match) => ({ kind: match[1]!, text: match[2]! }))

function blockWith(words: string): string {
  const found = blocks.filter((block) => block.kind === 'sh' && block.text.includes(words))
  expect(found, words).toHaveLength(1)
  return found[0]!.text
}

test('the files it points at are there', async () => {
  for (const [, path] of page.matchAll(/\]\((\.\.\/[^)]+)\)/g)) await access(join(repository, 'docs', path!))
  await access(join(repository, 'deploy/rsync/flotilla-rsync'))
})

describeWith('the commands of run-a-host.md', ['rsync', 'curl'])('the commands of run-a-host.md', () => {
  let root: string
  let tree: PublishedTree
  let origin: TreeOrigin
  let daemon: RunningProcess
  let rsyncUrl: string

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'run-a-host-'))
    await chmod(root, 0o755)
    tree = await PublishedTree.make(join(root, 'tree'), join(root, 'keys'))
    for (let n = 0; n < 3; n++) await tree.add(crypto.getRandomValues(new Uint8Array(60_000)))
    await tree.publish()
    origin = startTreeOrigin(tree.folder)
    const port = await findFreePort()
    const isRoot = process.getuid?.() === 0
    await writeFile(join(root, 'rsyncd.conf'), rsyncdConfig({ ...rsyncdDefaults, folder: tree.folder, isRoot }))
    const args = ['--daemon', '--no-detach', '--address=127.0.0.1', `--port=${port}`, `--config=${root}/rsyncd.conf`]
    daemon = startProcess(getTool('rsync'), args, { logFile: join(root, 'rsync.log') })
    rsyncUrl = `rsync://127.0.0.1:${port}/flotilla`
    await waitUntil(async () => (await runProgram('rsync', [`${rsyncUrl}/`])).code === 0, { what: 'rsyncd' })
    await copyFile(join(tree.folder, firstRootPath), join(root, 'publisher-root.json'))
    const program = join(repository, 'src/cli/main.ts')
    await writeFile(join(root, 'flotilla'), `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`, {
      mode: 0o755,
    })
  })
  afterAll(async () => {
    await daemon.stop()
    await origin.listener.stop(100)
    await rm(root, { recursive: true })
  })

  /** As a person would: with their own addresses and folders in it, and the programs in PATH. */
  function follow(text: string, folder: string): Promise<string> {
    const filled = text
      .replaceAll('https://origin.example.org', origin.url)
      .replaceAll('https://mirror.example.org', served.url)
      .replaceAll('rsync://origin.example.org/flotilla', rsyncUrl)
      .replaceAll('/srv/flotilla', folder)
      .replaceAll('/etc/flotilla/publisher-root.json', join(root, 'publisher-root.json'))
    const PATH = `${root}:${join(repository, 'deploy/rsync')}:${process.env.PATH}`
    return mustRun('sh', ['-euc', filled], { env: { PATH } })
  }
  const served = { url: '' }

  test('flotilla replicate copies, and the checks under "See that it works" pass', async () => {
    const folder = join(root, 'by-replicate')
    expect(await follow(blockWith('flotilla replicate --from'), folder)).toContain('stable generation 1: 5 files')
    const copy = startTreeOrigin(folder)
    served.url = copy.url
    const said = await follow(blockWith('curl -s https://mirror.example.org/trace/'), folder).finally(() =>
      copy.listener.stop(100),
    )
    expect(said).toContain('"generation":1')
    expect(said.trimEnd().split('\n').at(-1)).toBe('206 100')
  })

  test.each([
    ['the script', 'flotilla-rsync rsync://'],
    ['a bare rsync', 'rsync -rt --chmod'],
  ])('%s copies what replicate accepts as it is, and the other way round', async (name, words) => {
    const folder = join(root, name.replaceAll(' ', '-'))
    await follow(blockWith(words), folder)
    const replicateHere = () => follow(blockWith('flotilla replicate --from'), folder)
    expect(await replicateHere()).toMatch(/generation \d+: (nothing to fetch|\d+ that no list names left alone)/)
    // In turn, while blobs come and leave: neither breaks what the other keeps.
    for (const copyHere of [
      () => follow(blockWith(words), folder),
      replicateHere,
      () => follow(blockWith(words), folder),
    ]) {
      await tree.add(crypto.getRandomValues(new Uint8Array(60_000)))
      tree.remove([...tree.blobs.keys()][0]!)
      await tree.publish()
      await copyHere()
      const trace = JSON.parse(await readFile(join(folder, 'trace/mirror.example.org'), 'utf8'))
      expect(trace.generation).toBe(tree.generation)
      expect(await lackedBlobs(folder, tree.blobs.keys())).toEqual([])
    }
  })

  test('the options it explains are those of the command, and of the script', async () => {
    const begin = page.indexOf('### With the script')
    const end = page.indexOf('### With a bare rsync')
    const aboutScript = page.slice(begin, end)
    // Those in the tables and the text; blocks of commands are run or belong to other commands.
    const optionsIn = (text: string) => [...text.matchAll(/^[^\n]*?`(--[a-z-]+)/gm)].map((match) => match[1]!)
    const ofRsync = ['--delete-after', '--bwlimit', '--address', '--contimeout']
    const parts = [
      [page.replace(aboutScript, ''), await mustRun(join(root, 'flotilla'), ['replicate', '--help'])],
      [aboutScript, await mustRun(join(repository, 'deploy/rsync/flotilla-rsync'), ['--help'])],
    ] as const
    for (const [text, help] of parts) {
      const named = optionsIn(text).filter((one) => !ofRsync.includes(one))
      expect(named.length).toBeGreaterThan(5)
      for (const option of named) expect(help).toContain(option)
    }
  })
})

describeWith('the units of run-a-host.md', ['systemd-analyze'])('the units of run-a-host.md', () => {
  test('are such that systemd takes them, and call the command as the page does', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'run-a-host-units-'))
    const paths: string[] = []
    for (const name of ['flotilla-replicate.service', 'flotilla-replicate.timer']) {
      expect(page).toContain(`(../deploy/systemd/${name})`)
      const text = await readFile(join(repository, 'deploy/systemd', name), 'utf8')
      if (name.endsWith('.service')) {
        const command = blockWith('flotilla replicate --from').trim()
        expect(text).toContain(`ExecStart=/usr/bin/env ${command} --quiet\n`)
      }
      paths.push(join(folder, name))
      await writeFile(paths.at(-1)!, text.replace('User=flotilla', 'User=daemon'))
    }
    const { code, stderr } = await runProgram(getTool('systemd-analyze'), ['verify', '--man=no', ...paths])
    await rm(folder, { recursive: true })
    expect(stderr.split('\n').filter((line) => line.includes('flotilla-replicate'))).toEqual([])
    expect(code).toBe(0)
  })
})
