// `npm run bench`: ours and Debian's docker-registry in the same run, servers on core 0, load on core 1, round by round in turn.
// Arguments choose parts. Numbers of one machine mean little; the ratios are what counts.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeVersions, installMissingPackages } from '../kit/debian-packages.ts'
import { formatRow, isMet, type Row } from './comparison.ts'
import { benchManifests } from './manifests.ts'
import { benchMemory, benchPushPull } from './push-pull.ts'
import { type BenchServer, startOurs, startTheirs } from './servers.ts'

/** Beside a registry that is started here. */
const registryParts = ['push-pull', 'manifests', 'memory']
const programs = [
  'redirect',
  'swap',
  'statistics',
  'popularity',
  'local',
  'herd',
  'lists',
  'block-checks',
  'script',
  'replicate',
  'tls',
  'felt',
]
const parts = [...registryParts, ...programs]
const rounds = 3

function chooseParts(args: readonly string[]): readonly string[] {
  const wrong = args.find((arg) => !parts.includes(arg))
  if (wrong !== undefined) throw new Error(`${wrong} is no part: ${parts.join(', ')}`)
  return args.length > 0 ? args : parts
}

/** The whole process moves to the load core; servers are started on theirs. */
function moveToLoadCore(): void {
  const moved = spawnSync('taskset', ['-cp', '1', String(process.pid)])
  if (moved.status !== 0) console.log('not pinned: taskset could not move this process')
}

async function withRegistries(bench: (servers: readonly BenchServer[]) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-bench-'))
  try {
    await using ours = await startOurs(folder)
    await using theirs = await startTheirs(folder)
    await bench([ours, theirs])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function benchRegistries(chosen: readonly string[], say: (row: Row) => void): Promise<void> {
  if (chosen.includes('manifests') || chosen.includes('push-pull')) {
    await withRegistries(async (servers) => {
      if (chosen.includes('manifests')) await benchManifests(servers, rounds, say)
      if (chosen.includes('push-pull')) await benchPushPull(servers, rounds, say)
    })
  }
  // Servers of its own: what others left in their memory is not what the pushes take.
  if (chosen.includes('memory')) await withRegistries((servers) => benchMemory(servers, say))
}

process.chdir(join(import.meta.dir, '../..'))
const chosen = chooseParts(process.argv.slice(2))
installMissingPackages((line) => console.log(line))
console.log(describeVersions())
moveToLoadCore()
const rows: Row[] = []
const loadBefore = loadavg()
console.log(`${'measure'.padEnd(44)} ${'flotilla'.padStart(9)} ${'peer'.padStart(9)} unit     ratio  by cpu  goal`)
await benchRegistries(chosen, (row) => {
  console.log(formatRow(row))
  rows.push(row)
})
const machine = { cpu: cpus()[0]?.model, cores: cpus().length, loadBefore, loadAfter: loadavg() }
console.log(
  `load average before ${loadBefore.map((n) => n.toFixed(2))}, after ${machine.loadAfter.map((n) => n.toFixed(2))}`,
)
mkdirSync('test/results', { recursive: true })
writeFileSync(
  'test/results/bench.json',
  `${JSON.stringify({ machine, versions: describeVersions(), rows }, undefined, 2)}\n`,
)
const missed = rows.filter((row) => isMet(row) === false)
console.log(missed.length === 0 ? 'every goal met' : `goals missed: ${missed.map((row) => row.what).join('; ')}`)
// Benches that are programs of their own.
for (const part of programs) {
  const program = `test/bench/${part}.ts`
  if (!chosen.includes(part) || !existsSync(program)) continue
  const ended = spawnSync(process.execPath, [program], { stdio: 'inherit' })
  process.exitCode ||= ended.status ?? 1
}
