// What a bench says: for each measure the medians of both sides and their ratio, never one side alone.

export type Side = 'flotilla' | 'docker-registry'
export type Goal = { readonly ratio: number } | { readonly atMost: number }
export type Row = {
  readonly what: string
  readonly unit: string
  readonly flotilla: number
  readonly 'docker-registry': number
  /** Above 1: we are better. */
  readonly ratio: number
  readonly goal: Goal | undefined
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

type Measure = { readonly what: string; readonly unit: string; readonly goal?: Goal; readonly isLessBetter?: boolean }

export function compare(measure: Measure, samples: Readonly<Record<Side, readonly number[]>>): Row {
  const flotilla = median(samples.flotilla)
  const theirs = median(samples['docker-registry'])
  const ratio = measure.isLessBetter ? theirs / flotilla : flotilla / theirs
  return { what: measure.what, unit: measure.unit, flotilla, 'docker-registry': theirs, ratio, goal: measure.goal }
}

/** Both sides in turn, round after round, the first one changing, so that a noisy minute falls on both. */
export async function alternate<S extends { readonly name: Side }>(
  sides: readonly S[],
  rounds: number,
  measure: (side: S) => Promise<number>,
): Promise<Record<Side, number[]>> {
  const samples: Record<Side, number[]> = { flotilla: [], 'docker-registry': [] }
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? sides : [...sides].reverse()
    for (const side of order) samples[side.name].push(await measure(side))
  }
  return samples
}

export function isMet(row: Row): boolean | undefined {
  if (row.goal === undefined) return undefined
  return 'ratio' in row.goal ? row.ratio >= row.goal.ratio : row.flotilla <= row.goal.atMost
}

export function formatRow(row: Row): string {
  const number = (value: number) => (value >= 100 ? value.toFixed(0) : value.toFixed(1)).padStart(9)
  const goal = row.goal === undefined ? '' : 'ratio' in row.goal ? `>= ${row.goal.ratio}x` : `<= ${row.goal.atMost}`
  const verdict = isMet(row) === undefined ? '' : isMet(row) ? 'met' : 'MISSED'
  const cells = [row.what.padEnd(44), number(row.flotilla), number(row['docker-registry']), row.unit.padEnd(6)]
  return `${cells.join(' ')} ${row.ratio.toFixed(2).padStart(6)}x  ${goal.padEnd(8)} ${verdict}`.trimEnd()
}
