// Copying a tree, beside rsync and skopeo: a first copy, and a run without news. Ours and theirs in turn, medians, the same disk.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rsyncdConfig, rsyncdDefaults } from '#stages/replicate/rsyncd-config.ts'
import { findFreePort } from '../kit/free-port.ts'
import { startProcess } from '../kit/process.ts'
import { PublishedTree } from '../kit/published-tree.ts'
import { findTool, getTool } from '../kit/tool.ts'
import { waitUntil } from '../kit/wait-until.ts'

const blobCount = Number(process.env.BENCH_BLOBS ?? 10_000)
const blobBytes = 70_000
const rounds = 3
const repository = join(import.meta.dir, '../..')

type Run = { readonly seconds: number; readonly memoryMiB: number }

/** By /usr/bin/env time's own words where it is there: the largest resident set of the process. */
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

async function makeTree(root: string): Promise<PublishedTree> {
  const tree = await PublishedTree.make(join(root, 'tree'), join(root, 'keys'))
  const bytes = crypto.getRandomValues(new Uint8Array(60_000))
  for (let n = 0; n < blobCount; n++) {
    const blob = new Uint8Array(blobBytes + (n % 1000))
    blob.set(bytes)
    new DataView(blob.buffer).setUint32(0, n)
    await tree.add(blob)
  }
  await tree.publish()
  return tree
}

async function main(): Promise<void> {
  const root = mkdtempSync(join(process.env.BENCH_FOLDER ?? tmpdir(), 'bench-replicate-'))
  const stops: (() => Promise<unknown>)[] = []
  try {
    const tree = await makeTree(root)
    const [web, daemon] = [await findFreePort(), await findFreePort()]
    const nginx = `daemon off; pid ${root}/nginx.pid; error_log ${root}/nginx.log; events {} http { access_log off; keepalive_requests 1000000;
      server { listen 127.0.0.1:${web}; root ${tree.folder}; } }`
    writeFileSync(join(root, 'nginx.conf'), process.getuid?.() === 0 ? `user root; ${nginx}` : nginx)
    const server = startProcess(getTool('nginx'), ['-c', join(root, 'nginx.conf'), '-p', root], {
      logFile: join(root, 'out'),
    })
    stops.push(() => server.stop())
    const isRoot = process.getuid?.() === 0
    writeFileSync(join(root, 'rsyncd.conf'), rsyncdConfig({ ...rsyncdDefaults, folder: tree.folder, isRoot }))
    spawnSync('chmod', ['-R', 'a+rX', root])
    const args = ['--daemon', '--no-detach', '--address=127.0.0.1', `--port=${daemon}`, `--config=${root}/rsyncd.conf`]
    const rsyncd = startProcess(getTool('rsync'), args, { logFile: join(root, 'rsyncd.out') })
    stops.push(() => rsyncd.stop())
    const url = `http://127.0.0.1:${web}`
    await waitUntil(() => fetch(`${url}/metadata/timestamp.json`).then((one) => one.ok), { what: 'nginx' })
    await waitUntil(() => spawnSync('rsync', [`rsync://127.0.0.1:${daemon}/flotilla/`]).status === 0, {
      what: 'rsyncd',
    })

    const ours = (to: string) =>
      withMemory(process.execPath, [
        join(repository, 'src/cli/main.ts'),
        ...['replicate', '--from', url, '--to', to, '--name', 'host', '--min-free', '0', '--quiet'],
      ])
    const theirs = (to: string) =>
      withMemory('rsync', ['-rt', '--delete-after', `rsync://127.0.0.1:${daemon}/flotilla/`, `${to}/`])
    const first: [Run[], Run[]] = [[], []]
    const again: [Run[], Run[]] = [[], []]
    console.log(`${'measure'.padEnd(44)} ${'flotilla'.padStart(9)} ${'rsync'.padStart(9)}`)
    for (let round = 0; round < rounds; round++) {
      for (const name of ['ours', 'theirs']) rmSync(join(root, name), { recursive: true, force: true })
      mkdirSync(join(root, 'theirs'))
      first[0].push(ours(join(root, 'ours')))
      first[1].push(theirs(join(root, 'theirs')))
      for (let n = 0; n < 3; n++) {
        again[0].push(ours(join(root, 'ours')))
        again[1].push(theirs(join(root, 'theirs')))
      }
    }
    say(`first copy of ${blobCount} blobs`, ...first, 'rsync')
    say('run without news', ...again, 'rsync (goal 10)')
  } finally {
    for (const stop of stops) await stop()
    rmSync(root, { recursive: true, force: true })
  }
}

await main()
