// `npm run bench -- script`: the shipped script beside a plain `rsync -a` of the same tree, from the same rsyncd: a run without news, and
// one with a single new blob. What counts is the ratio; bytes are those on the wire, both ways.

import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rsyncdConfig, rsyncdDefaults } from '#stages/replicate/rsyncd-config.ts'
import { PublishedTree } from '../kit/published-tree.ts'
import { type RsyncDaemon, startRsyncDaemon } from '../kit/rsync-daemon.ts'
import { rsyncScript } from '../kit/rsync-script.ts'
import { getTool } from '../kit/tool.ts'
import { median } from './comparison.ts'

const blobs = 10_000
const blobBytes = 4_096
const rounds = 5
const sides = ['script', 'rsync -a'] as const

type Side = (typeof sides)[number]
type Cost = { readonly seconds: number; readonly cpuSeconds: number; readonly wireBytes: number }

const randomBytes = () => crypto.getRandomValues(new Uint8Array(blobBytes))

/** rsyncd's own log tells of each connection what went both ways. */
async function wireBytes(log: string): Promise<number> {
  const lines = [...(await readFile(log, 'utf8')).matchAll(/sent (\d+) bytes {2}received (\d+) bytes/g)]
  return lines.reduce((sum, [, sent, received]) => sum + Number(sent) + Number(received), 0)
}

class Bench {
  readonly root: string
  readonly tree: PublishedTree
  readonly daemon: RsyncDaemon

  constructor(root: string, tree: PublishedTree, daemon: RsyncDaemon) {
    this.root = root
    this.tree = tree
    this.daemon = daemon
  }

  async run(side: Side): Promise<Cost> {
    const log = join(this.root, 'rsyncd/rsyncd-transfers.log')
    const before = await wireBytes(log)
    const to = join(this.root, side.replace(' ', ''))
    const command =
      side === 'script'
        ? [rsyncScript, '--quiet', this.daemon.url, to, 'bench.test']
        : [getTool('rsync'), '-a', `${this.daemon.url}/`, `${to}/`]
    const beganMs = performance.now()
    const ended = Bun.spawnSync(command, { stdout: 'inherit', stderr: 'inherit' })
    const seconds = (performance.now() - beganMs) / 1000
    if (ended.exitCode !== 0) throw new Error(`${command.join(' ')} ended with ${ended.exitCode}`)
    const cpuSeconds = Number(ended.resourceUsage.cpuTime.total) / 1e6
    return { seconds, cpuSeconds, wireBytes: (await wireBytes(log)) - before }
  }

  /** Both in turn, the first one changing, so that a noisy minute falls on both. */
  async compare(what: string, change: () => Promise<void>): Promise<void> {
    const costs: Record<Side, Cost[]> = { script: [], 'rsync -a': [] }
    for (let round = 0; round < rounds; round++) {
      await change()
      for (const side of round % 2 === 0 ? sides : sides.toReversed()) costs[side].push(await this.run(side))
    }
    for (const [unit, of] of Object.entries(measures)) {
      const [ours, theirs] = sides.map((side) => median(costs[side].map(of))) as [number, number]
      console.log(
        `${what.padEnd(28)} ${unit.padEnd(12)} ${ours.toFixed(3).padStart(12)} ${theirs.toFixed(3).padStart(12)} ` +
          `${(theirs / ours).toFixed(1).padStart(7)}x`,
      )
    }
  }
}

const measures = {
  seconds: (cost: Cost) => cost.seconds,
  'cpu seconds': (cost: Cost) => cost.cpuSeconds,
  'KiB on wire': (cost: Cost) => cost.wireBytes / 1024,
} as const

const root = await mkdtemp(join(tmpdir(), 'bench-script-'))
try {
  await chmod(root, 0o755)
  const tree = await PublishedTree.make(join(root, 'tree'), join(root, 'keys'))
  for (let n = 0; n < blobs; n++) await tree.add(randomBytes())
  await tree.publish()
  await mkdir(join(root, 'rsyncd'))
  const config = rsyncdConfig({ ...rsyncdDefaults, folder: tree.folder, isRoot: process.getuid?.() === 0 })
  await using daemon = await startRsyncDaemon(join(root, 'rsyncd'), config)
  const bench = new Bench(root, tree, daemon)
  console.log(
    `${`${blobs} blobs`.padEnd(28)} ${'unit'.padEnd(12)} ${'script'.padStart(12)} ${'rsync -a'.padStart(12)}   ratio`,
  )
  for (const side of sides) {
    const { seconds } = await bench.run(side)
    console.log(`first copy by ${side}: ${seconds.toFixed(1)} s`)
  }
  await bench.compare('a run without news', async () => undefined)
  await bench.compare('a run with one new blob', async () => {
    await tree.add(randomBytes())
    await tree.publish()
  })
} finally {
  await rm(root, { recursive: true })
}
