// What a bench says: for each measure the medians of both sides and their ratio, never one side alone.

import { readFileSync } from 'node:fs'

export type Side = 'flotilla' | 'docker-registry'
export type Goal = { readonly ratio: number } | { readonly atMost: number }
/** `perCpu`: for each second of processor time that the server took; it stays true while others use the machine. */
export type Sample = { readonly perSecond: number; readonly perCpu: number }
export type Row = {
  readonly what: string
  readonly unit: string
  readonly flotilla: number
  readonly 'docker-registry': number
  /** Above 1: we are better. */
  readonly ratio: number
  /** The same by processor time. */
  readonly cpuRatio: number | undefined
  readonly goal: Goal | undefined
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

type Measure = { readonly what: string; readonly unit: string; readonly goal?: Goal }
type Samples<T> = Readonly<Record<Side, readonly T[]>>

export function compareSpeed(measure: Measure, samples: Samples<Sample>): Row {
  const mid = (side: Side, by: keyof Sample) => median(samples[side].map((sample) => sample[by]))
  const [flotilla, theirs] = [mid('flotilla', 'perSecond'), mid('docker-registry', 'perSecond')]
  const cpuRatio = mid('flotilla', 'perCpu') / mid('docker-registry', 'perCpu')
  const { what, unit, goal } = measure
  return { what, unit, flotilla, 'docker-registry': theirs, ratio: flotilla / theirs, cpuRatio, goal }
}

/** For what is better when there is less of it. */
export function compareCost(measure: Measure, samples: Samples<number>): Row {
  const [flotilla, theirs] = [median(samples.flotilla), median(samples['docker-registry'])]
  const { what, unit, goal } = measure
  return { what, unit, flotilla, 'docker-registry': theirs, ratio: theirs / flotilla, cpuRatio: undefined, goal }
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** `act` resolves to how much was done and how long it took by the clock. */
export async function takeSample(
  pid: number,
  act: () => Promise<{ readonly amount: number; readonly seconds: number }>,
): Promise<Sample> {
  const before = cpuSeconds(pid)
  const { amount, seconds } = await act()
  return { perSecond: amount / seconds, perCpu: amount / (cpuSeconds(pid) - before) }
}

/** Both sides in turn, round after round, the first one changing, so that a noisy minute falls on both. */
export async function alternate<S extends { readonly name: Side }, T>(
  sides: readonly S[],
  rounds: number,
  measure: (side: S) => Promise<T>,
): Promise<Record<Side, T[]>> {
  const samples: Record<Side, T[]> = { flotilla: [], 'docker-registry': [] }
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? sides : [...sides].reverse()
    for (const side of order) samples[side.name].push(await measure(side))
  }
  return samples
}

export function isMet(row: Row): boolean | undefined {
  if (row.goal === undefined) return undefined
  // By processor time where there is one: the rates are also those of whoever else uses the machine.
  return 'ratio' in row.goal ? (row.cpuRatio ?? row.ratio) >= row.goal.ratio : row.flotilla <= row.goal.atMost
}

export function formatRow(row: Row): string {
  const number = (value: number) => (value >= 100 ? value.toFixed(0) : value.toFixed(1)).padStart(9)
  const goal = row.goal === undefined ? '' : 'ratio' in row.goal ? `>= ${row.goal.ratio}x` : `<= ${row.goal.atMost}`
  const verdict = isMet(row) === undefined ? '' : isMet(row) ? 'met' : 'MISSED'
  const cells = [row.what.padEnd(44), number(row.flotilla), number(row['docker-registry']), row.unit.padEnd(6)]
  const ratios = [row.ratio, row.cpuRatio].map((ratio) =>
    (ratio === undefined ? '' : `${ratio.toFixed(2)}x`).padStart(7),
  )
  return `${cells.join(' ')} ${ratios.join(' ')}  ${goal.padEnd(8)} ${verdict}`.trimEnd()
}
