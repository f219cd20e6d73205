// The rush after a publication at full size: a hundred hosts, forty layers, the real program on core 0 and the hosts on core 1.
// What counts is how often the origin had to send a blob; a table shows the rest over time. Arguments: replicas, layers, MiB a layer.

import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { type HerdSample, runHerd } from '../kit/herd.ts'

/** Of issue 3: the origin sends each blob at most so often. */
const mostSends = 22
const [replicas = 100, layers = 40, mebibytes = 1] = process.argv.slice(2).map(Number)
const layerBytes = mebibytes * 2 ** 20

const columns = ['seconds', 'whole', 'waiting', 'from origin', 'from hosts', 'most sends of a blob'] as const
const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`

function print(cells: readonly string[]): void {
  console.log(cells.map((cell, i) => cell.padStart(columns[i]!.length + 2)).join(''))
}

function printSample({ seconds, whole, waiting, originBytes, hostBytes, mostSends: sends }: HerdSample): void {
  print([seconds.toFixed(0), `${whole}`, `${waiting}`, mib(originBytes), mib(hostBytes), `${sends}`])
}

/** As replicas that wait for the generation hear of it, and as if all polled in the same second. */
const scenarios = {
  'told in waves': {},
  'all at once': { FLOTILLA_ORIGIN_WAVE: '0s', FLOTILLA_ORIGIN_HEAD_START: '0s' },
} as const

async function measure(scenario: keyof typeof scenarios): Promise<readonly HerdSample[]> {
  console.log(`${replicas} hosts copy one publication of ${layers} layers of ${mebibytes} MiB, ${scenario}`)
  print(columns)
  const { samples } = await runHerd({
    replicas,
    layers,
    layerBytes,
    env: scenarios[scenario],
    before: ['taskset', '-c', '0'],
    limitMs: 15 * 60_000,
    sampleEveryMs: 2000,
    onSample: printSample,
  })
  const last = samples.at(-1)!
  const isMet = last.whole === replicas && last.mostSends <= mostSends
  const share = (100 * last.originBytes) / (last.originBytes + last.hostBytes)
  const goal = `at most ${mostSends}: ${isMet ? 'met' : 'missed'}`
  console.log(
    `the origin sent ${share.toFixed(0)} % of the bytes, no blob more than ${last.mostSends} times (${goal})\n`,
  )
  if (!isMet) process.exitCode = 1
  return samples
}

spawnSync('taskset', ['-cp', '1', String(process.pid)])
const measured: Record<string, readonly HerdSample[]> = {}
for (const scenario of Object.keys(scenarios) as (keyof typeof scenarios)[])
  measured[scenario] = await measure(scenario)
mkdirSync('test/results', { recursive: true })
writeFileSync('test/results/herd.json', `${JSON.stringify({ replicas, layers, layerBytes, measured }, undefined, 2)}\n`)
