// `npm run bench -- script`: the shipped script beside a plain `rsync -a` of the same tree, from the same rsyncd: a run without news, and
// one with a single new blob. What counts is the ratio; bytes are those on the wire, both ways.

import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rsyncdConfig, rsyncdDefaults } from '#stages/replicate/rsyncd-config.ts'
import { CutLine } from '../kit/cut-line.ts'
import { PublishedTree } from '../kit/published-tree.ts'
import { startRsyncDaemon } from '../kit/rsync-daemon.ts'
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

class Bench {
  readonly root: string
  readonly tree: PublishedTree
  readonly line: CutLine
  readonly url: string

  constructor(root: string, tree: PublishedTree, line: CutLine, url: string) {
    this.root = root
    this.tree = tree
    this.line = line
    this.url = url
  }

  async run(side: Side): Promise<Cost> {
    const before = this.line.bytes
    const to = join(this.root, side.replace(' ', ''))
    const command =
      side === 'script'
        ? [rsyncScript, '--quiet', this.url, to, 'bench.test']
        : [getTool('rsync'), '-a', `${this.url}/`, `${to}/`]
    const beganMs = performance.now()
    const ended = Bun.spawn(command, { stdout: 'inherit', stderr: 'inherit' })
    await ended.exited
    const seconds = (performance.now() - beganMs) / 1000
    if (ended.exitCode !== 0) throw new Error(`${command.join(' ')} ended with ${ended.exitCode}`)
    const cpuSeconds = Number(ended.resourceUsage()!.cpuTime.total) / 1e6
    return { seconds, cpuSeconds, wireBytes: this.line.bytes - before }
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
  await using line = new CutLine(Number(new URL(daemon.url).port))
  const url = daemon.url.replace(/:\d+/, `:${await line.listen()}`)
  const bench = new Bench(root, tree, line, url)
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
