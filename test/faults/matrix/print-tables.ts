// The tables as people read them.

import { type Cell, describeCell } from './cell.ts'
import type { FaultName } from './faults.ts'
import type { ClientName } from './lane.ts'
import type { Manner } from './scripted-client.ts'
import type { Victims } from './victims-table.ts'

export function printTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n')
}

export function printCells(
  cells: readonly Cell[],
  clients: readonly ClientName[],
  faults: readonly FaultName[],
  isStreamed = false,
): string {
  const find = (fault: FaultName, client: ClientName) =>
    cells.find((one) => one.fault === fault && one.client === client)
  const rows = faults.map((fault) => [
    fault,
    ...clients.map((client) => {
      const cell = find(fault, client)
      return cell ? describeCell(cell, isStreamed) : '-'
    }),
  ])
  return `${printTable(['the host', ...clients], rows)}\n\n${printShares(cells, isStreamed)}`
}

function printShares(cells: readonly Cell[], isStreamed: boolean): string {
  const sum = (of: (cell: Cell) => number) => cells.reduce((total, cell) => total + of(cell), 0)
  const hosts = sum(({ bytes }) => bytes.host + bytes.bad)
  const front = sum(({ bytes }) => bytes.origin)
  const share = (part: number) => `${((100 * part) / Math.max(1, hosts + front)).toFixed(1)} %`
  const whole = cells.filter(({ result }) => result === 'ok').length
  const through = isStreamed ? `${share(front)} through the front door` : `${share(front)} from the origin`
  return `${whole} of ${cells.length} pulls succeeded. Of all bytes of layers ${share(hosts)} came from hosts by redirect, ${through}.`
}

export function printVictims(
  victims: readonly Victims[],
  manners: readonly Manner[],
  faults: readonly FaultName[],
): string {
  const cell = (fault: FaultName, manner: Manner) => {
    const one = victims.find((other) => other.fault === fault && other.manner === manner)
    if (!one) return '-'
    const lost = one.lost > 0 ? `, ${one.lost} pulls lost` : ''
    if (one.reason !== undefined) return `${one.victims}${lost}, then ${one.circuit}`
    return one.victims === 0 ? 'harmless' : `${one.victims} of ${one.networks}${lost}`
  }
  const rows = faults.map((fault) => [fault, ...manners.map((manner) => cell(fault, manner))])
  return printTable(['to clients the host', ...manners.map((manner) => `clients as ${manner}`)], rows)
}
