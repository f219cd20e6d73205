// One cell of the matrix: a pull, and which machine its layers came from, by what the machines themselves logged.

import type { FaultName } from './faults.ts'
import type { FaultyHost } from './faulty-host.ts'
import type { ClientName, PullOutcome } from './lane.ts'
import { largeBytes } from './matrix-fleet.ts'

export type Cell = {
  readonly fault: FaultName
  readonly client: ClientName
  readonly result: PullOutcome['result']
  /** Bytes of layers by who sent them; `bad` is the host with the fault. */
  readonly bytes: { readonly host: number; readonly bad: number; readonly origin: number }
  readonly seconds: number
  /** How often it asked the front door for blobs. */
  readonly asks: number
  readonly said: string
}

/** What a host sent to this client: it alone was given these addresses. */
export function sentBy(host: FaultyHost, { log }: PullOutcome): number {
  const targets = new Set(
    [...log.locations].filter((one) => one.startsWith(host.url)).map((one) => one.slice(host.url.length)),
  )
  return host.served.filter(({ target }) => targets.has(target)).reduce((sum, { bytes }) => sum + bytes, 0)
}

export function cellOf(
  about: {
    readonly fault: FaultName
    readonly client: ClientName
    readonly good: FaultyHost
    readonly bad: FaultyHost
  },
  outcome: PullOutcome,
): Cell {
  const { fault, client, good, bad } = about
  const { result, seconds, said, log } = outcome
  const bytes = { host: sentBy(good, outcome), bad: sentBy(bad, outcome), origin: log.frontBytes }
  return { fault, client, result, bytes, seconds, asks: log.asks, said }
}

/** A success without a redirect is none of the redirect. */
export function isServedByHost({ result, bytes }: Cell): boolean {
  return result === 'ok' && bytes.origin === 0 && bytes.host + bytes.bad > 0
}

/** `isStreamed`: what came through the front door is no answer of the origin. */
export function describeCell(cell: Cell, isStreamed = false): string {
  const { result, bytes, seconds } = cell
  if (result === 'hang') return `hang ${Math.round(seconds)} s`
  if (result === 'failed') return 'FAIL'
  const parts = [
    ...(bytes.host > 0 ? ['host'] : []),
    ...(bytes.bad >= largeBytes ? ['bad'] : []),
    ...(bytes.origin > 0 ? [isStreamed ? 'through' : 'ORIGIN'] : []),
  ]
  const time = seconds >= 5 ? ` ${Math.round(seconds)} s` : ''
  return `ok ${parts.join('+') || 'nobody'}${time}`
}
