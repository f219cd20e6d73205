// Copying a tree, beside rsync and skopeo sync: a first copy, and a run without news. Ours and theirs in turn, medians, the same disk.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { blobPath } from '#oci/digest.ts'
import { rsyncdConfig, rsyncdDefaults } from '#stages/replicate/rsyncd-config.ts'
import { findFreePort } from '../kit/free-port.ts'
import { type RunningProcess, startProcess } from '../kit/process.ts'
import { digestOf, PublishedTree } from '../kit/published-tree.ts'
import { findTool, getTool } from '../kit/tool.ts'
import { waitUntil } from '../kit/wait-until.ts'
import { timeSkopeoSync } from './skopeo-sync.ts'

const rounds = 3
/** It takes a third of a minute for as many as these. */
const skopeoBlobs = 1000
const repository = join(import.meta.dir, '../..')

type Run = { readonly seconds: number; readonly memoryMiB: number }

function measure(command: string, args: readonly string[]): Run {
  const startedMs = performance.now()
  const ended = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26 })
  const seconds = (performance.now() - startedMs) / 1000
  if (ended.status !== 0) throw new Error(`${command} ended with ${ended.status}: ${ended.stderr}`)
  const memory = /^maxrss (\d+)$/m.exec(ended.stderr)
  return { seconds, memoryMiB: memory ? Number(memory[1]) / 1024 : 0 }
}

/** A shell that tells what its child took; the kernel counts it. */
function withMemory(command: string, args: readonly string[]): Run {
  const script = `
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print("maxrss", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)`
  return findTool('python3') ? measure(getTool('python3'), ['-c', script, command, ...args]) : measure(command, args)
}

function median(runs: readonly Run[], of: keyof Run): number {
  return runs.map((run) => run[of]).sort((a, b) => a - b)[Math.floor(runs.length / 2)]!
}

function say(what: string, ours: readonly Run[], theirs: readonly Run[], peer: string): void {
  const [a, b] = [median(ours, 'seconds'), median(theirs, 'seconds')]
  const memory = `${median(ours, 'memoryMiB').toFixed(0)} MiB beside ${median(theirs, 'memoryMiB').toFixed(0)} MiB`
  console.log(
    `${what.padEnd(44)} ${a.toFixed(2).padStart(9)} ${b.toFixed(2).padStart(9)} s  ${(b / a).toFixed(2)} x ${peer}; ${memory}`,
  )
}

/** Without the publisher's care for power cuts: only the copying is measured. */
async function makeTree(folder: string, count: number, sizeBytes: number): Promise<PublishedTree> {
  const tree = await PublishedTree.make(join(folder, 'tree'), join(folder, 'keys'))
  const noise = crypto.getRandomValues(new Uint8Array(Math.min(sizeBytes, 60_000)))
  for (let n = 0; n < count; n++) {
    const bytes = new Uint8Array(sizeBytes + (n % 100))
    bytes.set(noise)
    new DataView(bytes.buffer).setUint32(0, n)
    const digest = digestOf(bytes)
    const path = join(tree.folder, blobPath(digest))
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, bytes)
    tree.blobs.set(digest, { digest, sizeBytes: bytes.length, generation: 1 })
  }
  await tree.publish()
  return tree
}

class Servers implements AsyncDisposable {
  readonly #running: RunningProcess[] = []
  web = ''
  rsync = ''

  async start(root: string, folder: string): Promise<void> {
    const [web, daemon] = [await findFreePort(), await findFreePort()]
    const isRoot = process.getuid?.() === 0
    const user = isRoot ? 'user root; ' : ''
    const site = `server { listen 127.0.0.1:${web}; root ${folder}; }`
    const http = `access_log off; keepalive_requests 1000000; ${site}`
    const nginx = `${user}daemon off; pid ${root}/nginx.pid; error_log ${root}/nginx.log; events {} http { ${http} }`
    writeFileSync(join(root, 'nginx.conf'), nginx)
    writeFileSync(join(root, 'rsyncd.conf'), rsyncdConfig({ ...rsyncdDefaults, folder, isRoot }))
    spawnSync('chmod', ['-R', 'a+rX', root])
    const args = ['--daemon', '--no-detach', '--address=127.0.0.1', `--port=${daemon}`, `--config=${root}/rsyncd.conf`]
    this.#running.push(
      startProcess(getTool('nginx'), ['-c', join(root, 'nginx.conf'), '-p', root], {
        logFile: join(root, 'nginx.out'),
      }),
      startProcess(getTool('rsync'), args, { logFile: join(root, 'rsyncd.out') }),
    )
    this.web = `http://127.0.0.1:${web}`
    this.rsync = `rsync://127.0.0.1:${daemon}/flotilla/`
    await waitUntil(() => fetch(`${this.web}/metadata/timestamp.json`).then((one) => one.ok), { what: 'nginx' })
    await waitUntil(() => spawnSync('rsync', [this.rsync]).status === 0, { what: 'rsyncd' })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#running) await one.stop()
  }
}

async function bench(count: number, sizeBytes: number, binary: string, isFirstMeasured: boolean): Promise<void> {
  const root = mkdtempSync(join(process.env.BENCH_FOLDER ?? tmpdir(), 'bench-replicate-'))
  await using servers = new Servers()
  try {
    const tree = await makeTree(root, count, sizeBytes)
    await servers.start(root, tree.folder)
    const about = (to: string) => ['--from', servers.web, '--to', to, '--name', 'host', '--min-free', '0', '--quiet']
    const copyOurs = (to: string) => withMemory(binary, about(to))
    const copyTheirs = (to: string) => withMemory('rsync', ['-rt', '--delete-after', servers.rsync, `${to}/`])
    const first: [Run[], Run[]] = [[], []]
    const again: [Run[], Run[]] = [[], []]
    for (let round = 0; round < rounds; round++) {
      // Nothing is deleted before the end: ext4 steps around inodes that were just freed.
      const number = isFirstMeasured ? round : 0
      const [ours, theirs] = [join(root, `ours-${number}`), join(root, `theirs-${number}`)]
      if (isFirstMeasured || round === 0) {
        if (isFirstMeasured) mkdirSync(theirs)
        else for (const folder of [ours, theirs]) spawnSync('cp', ['-a', tree.folder, folder])
        first[0].push(copyOurs(ours))
        first[1].push(copyTheirs(theirs))
      }
      again[0].push(copyOurs(ours))
      again[1].push(copyTheirs(theirs))
    }
    if (isFirstMeasured) {
      say(`first copy of ${count} blobs`, ...first, 'rsync')
      const about = { count: skopeoBlobs, sizeBytes, rounds: 1 }
      const synced = (await timeSkopeoSync(root, about)).map((seconds) => ({ seconds, memoryMiB: 0 }))
      const share = first[0].map((run) => ({ ...run, seconds: (run.seconds * skopeoBlobs) / count }))
      say(`the same for each ${skopeoBlobs} blobs`, share, synced, 'skopeo sync')
    }
    say(`run without news, ${count} blobs`, ...again, 'rsync (goal 10)')
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

const folder = mkdtempSync(join(tmpdir(), 'bench-replicate-binary-'))
try {
  const binary = join(folder, 'flotilla-replicate')
  const built = spawnSync(join(repository, 'bin/build-replicate'), [binary], { encoding: 'utf8' })
  if (built.status !== 0) throw new Error(built.stderr)
  console.log(`${'measure'.padEnd(44)} ${'flotilla'.padStart(9)} ${'peer'.padStart(9)}`)
  await bench(10_000, 70_000, binary, true)
  await bench(100_000, 100, binary, false)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
