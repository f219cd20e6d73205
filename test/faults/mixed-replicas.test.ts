// Publications every two seconds while ten replicas copy, by https, by the script and by a bare rsync, killed at random moments. Whatever a trace
// says, the folder holds. `FLOTILLA_TEST_MIXED_SECONDS` makes it run longer.

import { expect, test } from 'bun:test'
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Digest } from '#oci/digest.ts'
import { rsyncdConfig, rsyncdDefaults } from '#stages/replicate/rsyncd-config.ts'
import { describeWith } from '../kit/need-tool.ts'
import { runProgram } from '../kit/process.ts'
import { PublishedTree } from '../kit/published-tree.ts'
import { startRsyncDaemon } from '../kit/rsync-daemon.ts'
import { rsyncRecipe } from '../kit/rsync-recipe.ts'
import { lackedBlobs, rsyncScript, scriptEnvironment, traceGeneration } from '../kit/rsync-script.ts'
import { startTreeOrigin } from '../kit/tree-origin.ts'

const program = join(import.meta.dir, '../../src/cli/main.ts')
const seconds = Number(process.env.FLOTILLA_TEST_MIXED_SECONDS ?? 60)
const everyMs = 2_000
/** A publisher keeps what left its lists for longer than the slowest copy takes. */
const keptGenerations = 8
/** Some runs end before this, some are killed. */
const killWithinMs = 1_000

type Replica = {
  readonly name: string
  readonly folder: string
  readonly command: readonly [program: string, ...args: string[]]
}

type Tally = { runs: number; kills: number; failures: number; generations: Set<number> }

class Publisher {
  readonly tree: PublishedTree
  readonly states = new Map<number, readonly Digest[]>()
  readonly #left: { digest: Digest; generation: number }[] = []
  #count = 0

  constructor(tree: PublishedTree) {
    this.tree = tree
  }

  async publish(): Promise<void> {
    const { tree } = this
    for (let n = 0; n < 3; n++) await tree.add(new TextEncoder().encode(`layer ${++this.#count} `.repeat(4_000)))
    const oldest = [...tree.blobs.keys()][0]!
    if (tree.blobs.size > 40) {
      tree.remove(oldest)
      this.#left.push({ digest: oldest, generation: tree.generation + 1 })
    }
    await tree.publish({ isCheckpoint: tree.generation % 5 === 4 })
    this.states.set(tree.generation, [...tree.blobs.keys()])
    while ((this.#left[0]?.generation ?? Number.POSITIVE_INFINITY) + keptGenerations <= tree.generation)
      await tree.eraseBlob(this.#left.shift()!.digest)
  }
}

async function copyOnAndOn(replica: Replica, publisher: Publisher, isOver: () => boolean): Promise<Tally> {
  const tally: Tally = { runs: 0, kills: 0, failures: 0, generations: new Set() }
  for (let isLast = false; !isLast; ) {
    isLast = isOver()
    const isKilled = !isLast && Math.random() < 0.5
    const limitMs = isKilled ? 1 + Math.floor(Math.random() * killWithinMs) : 60_000
    const [first, ...args] = replica.command
    const { code, stderr } = await runProgram(first, args, { env: scriptEnvironment, limitMs })
    tally.runs++
    if (code === 128 && isKilled) tally.kills++
    else if (code !== 0) tally.failures++
    const generation = await traceGeneration(replica.folder, replica.name)
    if (generation !== undefined) {
      tally.generations.add(generation)
      const lacked = await lackedBlobs(replica.folder, publisher.states.get(generation)!)
      expect({ replica: replica.name, generation, lacked }).toEqual({ replica: replica.name, generation, lacked: [] })
    }
    if (isLast) expect([replica.name, code, stderr]).toEqual([replica.name, 0, ''])
  }
  return tally
}

type Sources = { readonly https: string; readonly rsync: string }

const ways: readonly {
  name: string
  count: number
  command: (from: Sources, to: string, name: string) => Replica['command']
}[] = [
  {
    name: 'script',
    count: 4,
    command: ({ rsync }, to, name) => [rsyncScript, '--grace-days', '0', rsync, to, name],
  },
  { name: 'bare', count: 3, command: ({ rsync }, to, name) => ['sh', '-euc', rsyncRecipe(rsync, to, name)] },
  {
    name: 'https',
    count: 3,
    command: ({ https }, to, name) => {
      const options = ['--allow-private', '--quiet', '--min-free', '1KiB', '--grace', '1s']
      return [process.execPath, program, 'replicate', '--from', https, '--to', to, '--name', name, ...options]
    },
  },
]

function replicasIn(root: string, from: Sources): Replica[] {
  return ways.flatMap(({ name: way, count, command }) =>
    Array.from({ length: count }, (_, n) => {
      const name = `${way}-${n}.test`
      const folder = join(root, name)
      return { name, folder, command: command(from, folder, name) }
    }),
  )
}

describeWith('ten replicas', ['rsync'])('ten replicas of a tree that changes every two seconds', () => {
  test(
    'hold what their traces say, whenever they are killed',
    async () => {
      const root = await mkdtemp(join(tmpdir(), 'mixed-replicas-'))
      await chmod(root, 0o755)
      const publisher = new Publisher(await PublishedTree.make(join(root, 'tree'), join(root, 'keys')))
      await publisher.publish()
      await mkdir(join(root, 'rsyncd'))
      const isRoot = process.getuid?.() === 0
      const config = rsyncdConfig({ ...rsyncdDefaults, maxConnections: 100, folder: join(root, 'tree'), isRoot })
      await using daemon = await startRsyncDaemon(join(root, 'rsyncd'), config)
      const endMs = performance.now() + seconds * 1000
      let isOver = false
      const origin = startTreeOrigin(join(root, 'tree'))
      const replicas = replicasIn(root, { https: origin.url, rsync: daemon.url })
      const copying = Promise.all(replicas.map((one) => copyOnAndOn(one, publisher, () => isOver)))
      copying.catch(() => undefined)
      // Time itself is the subject here.
      while (performance.now() < endMs) {
        await Promise.race([pause(everyMs), copying])
        await publisher.publish()
      }
      isOver = true
      const tallies = await copying
      const sum = (of: (tally: Tally) => number) => tallies.reduce((total, tally) => total + of(tally), 0)
      console.log(
        `${publisher.tree.generation} generations; ${sum((one) => one.runs)} runs, ${sum((one) => one.kills)} killed, ` +
          `${sum((one) => one.failures)} failed; generations seen per replica: ${tallies.map((one) => one.generations.size)}`,
      )
      for (const [n, { folder, name }] of replicas.entries()) {
        expect([name, await traceGeneration(folder, name)]).toEqual([name, publisher.tree.generation])
        expect(tallies[n]!.generations.size).toBeGreaterThan(1)
      }
      expect(sum((one) => one.kills)).toBeGreaterThan(0)
      await origin.listener.stop(100)
      await rm(root, { recursive: true })
    },
    (seconds + 240) * 1000,
  )
})
