// The tables as people read them.

import { type Cell, describeCell } from './cell.ts'
import type { FaultName } from './faults.ts'
import { isUnseen } from './goals.ts'
import type { ClientName } from './lane.ts'
import type { Comer, Victims } from './victims-table.ts'

/** What the front door read for its streams, by who sent it. */
export type StreamedBytes = { readonly hosts: number; readonly origin: number }

export function printTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n')
}

export function printCells(
  cells: readonly Cell[],
  clients: readonly ClientName[],
  faults: readonly FaultName[],
  streamed?: StreamedBytes,
): string {
  const isStreamed = streamed !== undefined
  const find = (fault: FaultName, client: ClientName) =>
    cells.find((one) => one.fault === fault && one.client === client)
  const rows = faults.map((fault) => [
    fault,
    ...clients.map((client) => {
      const cell = find(fault, client)
      return cell ? describeCell(cell, isStreamed) : '-'
    }),
  ])
  return `${printTable(['the host', ...clients], rows)}\n\n${printShares(cells, streamed)}`
}

function describeStreamed({ hosts, origin }: StreamedBytes): string {
  const mebibytes = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`
  const share = (part: number) => `${((100 * part) / Math.max(1, hosts + origin)).toFixed(1)} %`
  return `The front door read ${mebibytes(hosts)} (${share(hosts)}) of hosts and ${mebibytes(origin)} (${share(origin)}) of the origin for them.`
}

function printShares(cells: readonly Cell[], streamed: StreamedBytes | undefined): string {
  const sum = (of: (cell: Cell) => number) => cells.reduce((total, cell) => total + of(cell), 0)
  const hosts = sum(({ bytes }) => bytes.host + bytes.bad)
  const front = sum(({ bytes }) => bytes.origin)
  const share = (part: number) => `${((100 * part) / Math.max(1, hosts + front)).toFixed(1)} %`
  const whole = cells.filter(({ result }) => result === 'ok').length
  const through = streamed ? `${share(front)} through the front door` : `${share(front)} from the origin`
  return `${whole} of ${cells.length} pulls succeeded. Of all bytes of layers ${share(hosts)} came from hosts by redirect, ${through}.${streamed ? ` ${describeStreamed(streamed)}` : ''}`
}

export function printVictims(
  victims: readonly Victims[],
  comers: readonly Comer[],
  faults: readonly FaultName[],
): string {
  const cell = (fault: FaultName, comer: Comer) => {
    const one = victims.find((other) => other.fault === fault && other.comer === comer)
    if (!one) return '-'
    const lost = one.lost > 0 ? `, ${one.lost} pulls lost` : ''
    if (one.reason !== undefined) return `${one.victims}${lost}, then ${one.circuit}`
    if (one.victims === 0) return 'harmless'
    return `${one.victims} of ${one.networks}${lost}${isUnseen(one) ? ', beyond reach' : ''}`
  }
  const rows = faults.map((fault) => [fault, ...comers.map((comer) => cell(fault, comer))])
  const heads = comers.map((comer) => (comer === 'docker itself' ? comer : `clients as ${comer}`))
  return printTable(['to clients the host', ...heads], rows)
}
