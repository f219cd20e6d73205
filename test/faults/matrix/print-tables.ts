// The tables as people read them.

import { type Cell, describeCell } from './cell.ts'
import type { FaultName } from './faults.ts'
import type { ClientName } from './lane.ts'

export function printTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n')
}

export function printCells(
  cells: readonly Cell[],
  clients: readonly ClientName[],
  faults: readonly FaultName[],
): string {
  const find = (fault: FaultName, client: ClientName) =>
    cells.find((one) => one.fault === fault && one.client === client)
  const rows = faults.map((fault) => [
    fault,
    ...clients.map((client) => {
      const cell = find(fault, client)
      return cell ? describeCell(cell) : '-'
    }),
  ])
  return printTable(['the host', ...clients], rows)
}
