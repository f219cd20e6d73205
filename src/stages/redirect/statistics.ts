// Who was answered what, in numbers: by host, country, repository and tag, without a record a request. Only names of the snapshots
// make a row, so that no request can; all others share one.

import { ownText } from '#kit/own-text.ts'
import { measures, otherSubject, type StatisticsRow, type SubjectKind, unknownSubject } from '#snapshots/statistics.ts'

/** The column of each way to answer. Those up to `streamed` have their bytes in the next column. */
const columnOf = {
  redirected: 0,
  manifest: 2,
  packed: 4,
  origin: 6,
  streamed: 8,
  /** HEAD, or 304. */
  told: 10,
  refused: 11,
  /** Waited for a probe; what it came to is counted beside it. */
  held: 12,
} as const
export type Way = keyof typeof columnOf

const firstWithoutBytes = columnOf.told
const width = measures.length

/** Numbers by name, in one array that grows with the names up to a bound. */
class Tally {
  readonly #maxNames: number
  #rows = new Map<string, number>()
  /** Tags have their repository before them; no text is made to find them. */
  #rowsOf = new Map<string, Map<string, number>>()
  #subjects: [string, string][] = []
  #values = new Float64Array(8 * width)

  constructor(maxNames: number) {
    this.#maxNames = maxNames
  }

  add(name: string, column: number, bytes: number): void {
    const row = this.#rows.get(name) ?? this.#makeRow(this.#rows, name, '')
    this.#count(row, column, bytes)
  }

  addPair(first: string, second: string, column: number, bytes: number): void {
    let rows = this.#rowsOf.get(first)
    if (!rows) this.#rowsOf.set(first, (rows = new Map()))
    this.#count(rows.get(second) ?? this.#makeRow(rows, second, first), column, bytes)
  }

  #count(row: number, column: number, bytes: number): void {
    const at = row * width + column
    this.#values[at]!++
    if (column < firstWithoutBytes) this.#values[at + 1]! += bytes
  }

  /** Past the bound it is the last row, which all such names share; they are not kept, and so looked up in vain each time. */
  #makeRow(rows: Map<string, number>, name: string, before: string): number {
    if (this.#subjects.length >= this.#maxNames) {
      if (this.#subjects.length === this.#maxNames) this.#append('', otherSubject)
      return this.#maxNames
    }
    const own = ownText(name)
    const row = this.#append(before, own)
    rows.set(own, row)
    return row
  }

  #append(before: string, name: string): number {
    const row = this.#subjects.push([before, name]) - 1
    if ((row + 1) * width > this.#values.length) {
      const larger = new Float64Array(this.#values.length * 2)
      larger.set(this.#values)
      this.#values = larger
    }
    return row
  }

  /** Written out: it runs between two requests, and an iterator over each row would take ten times as long. */
  #valuesOf(row: number): number[] {
    const values = new Array<number>(width)
    for (let i = 0; i < width; i++) values[i] = this.#values[row * width + i]!
    return values
  }

  take(kind: SubjectKind): StatisticsRow[] {
    const rows = this.#subjects.map(([before, name], row) => ({
      kind,
      subject: before === '' ? name : `${before}:${name}`,
      values: this.#valuesOf(row),
    }))
    if (rows.length === 0) return rows
    this.#rows = new Map()
    this.#rowsOf = new Map()
    this.#subjects = []
    this.#values = new Float64Array(8 * width)
    return rows
  }
}

/** `maxNames`: most names of each kind between two hand-overs; 112 bytes each beside the name. */
export type StatisticsOptions = { readonly maxNames: number }

export type HostTotal = { redirects: number; redirectedBytes: number; held: number }

export const statisticsDefaults: StatisticsOptions = { maxNames: 2_000 }

export class Statistics {
  /** Of each host since the start, as of the last hand-over; bounded as the rows are. */
  readonly hostTotals = new Map<string, HostTotal>()
  readonly #hosts: Tally
  readonly #countries: Tally
  readonly #repositories: Tally
  readonly #tags: Tally
  readonly #maxNames: number

  constructor({ maxNames }: StatisticsOptions) {
    this.#maxNames = maxNames
    this.#hosts = new Tally(maxNames)
    this.#countries = new Tally(maxNames)
    this.#repositories = new Tally(maxNames)
    this.#tags = new Tally(maxNames)
  }

  /** One answer. `repository` is a published one, undefined when it is not known or there is none. */
  note(way: Way, country: string | undefined, repository: string | undefined, bytes = 0): void {
    const column = columnOf[way]
    this.#countries.add(country ?? unknownSubject, column, bytes)
    this.#repositories.add(repository ?? unknownSubject, column, bytes)
  }

  /** A client was sent to this host, for so many bytes. */
  noteHost(host: string, bytes: number): void {
    this.#hosts.add(host, columnOf.redirected, bytes)
  }

  /** It waited until a probe of this host had passed. */
  noteHeld(host: string): void {
    this.#hosts.add(host, columnOf.held, 0)
  }

  noteTag(way: 'manifest' | 'told', repository: string, tag: string, bytes: number): void {
    this.#tags.addPair(repository, tag, columnOf[way], bytes)
  }

  /** Hands over what was counted, and starts anew. */
  take(): readonly StatisticsRow[] {
    const hosts = this.#hosts.take('host')
    for (const { subject, values } of hosts) this.#addToTotals(subject, values)
    return [
      ...hosts,
      ...this.#countries.take('country'),
      ...this.#repositories.take('repository'),
      ...this.#tags.take('tag'),
    ]
  }

  #addToTotals(host: string, values: readonly number[]): void {
    const name = this.hostTotals.has(host) || this.hostTotals.size < this.#maxNames ? host : otherSubject
    let total = this.hostTotals.get(name)
    if (!total) this.hostTotals.set(name, (total = { redirects: 0, redirectedBytes: 0, held: 0 }))
    total.redirects += values[columnOf.redirected]!
    total.redirectedBytes += values[columnOf.redirected + 1]!
    total.held += values[columnOf.held]!
  }
}
