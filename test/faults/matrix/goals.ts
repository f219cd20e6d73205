// What each table must show, as lists of what does not: empty when the goal is met. A test asserts them, the page prints them.

import { type Cell, describeCell, isServedByHost } from './cell.ts'
import { type Fault, type FaultName, faults } from './faults.ts'
import type { Victims } from './victims-table.ts'

export const mostVictims = 3

function faultOf(name: FaultName): Fault {
  return faults.find((fault) => fault.name === name)!
}

const nameOf = (cell: Cell) => `${cell.fault}, ${cell.client}: ${describeCell(cell)}`

/** A and B: every pull succeeds, and from a host. */
export function missedStanding(cells: readonly Cell[]): readonly string[] {
  return cells.filter((cell) => !isServedByHost(cell)).map(nameOf)
}

/** C: so does every one of docker and podman, but where the field's measurements say that nothing can be done. */
export function missedLate(cells: readonly Cell[]): readonly string[] {
  return cells.filter((cell) => !isServedByHost(cell) && !isLateFatal(cell)).map(nameOf)
}

function isLateFatal({ fault, client }: Cell): boolean {
  const { lateFatalTo } = faultOf(fault)
  if (client === 'docker' || client === 'podman') return lateFatalTo.includes(client)
  // Of the others nothing is promised: whatever breaks before the first byte ends their pull.
  return true
}

/**
 * D: few victims, and no pull lost for good. Where only the network between tells clients from the prober, a client that never comes
 * back within its pull leaves nothing that Ctrl-C and a second pull would not leave as well (false-alarm.test.ts); they are not found out.
 */
export function missedVictims(victims: readonly Victims[]): readonly string[] {
  return victims
    .filter((one) => one.lost > 0 || (one.victims > mostVictims && !isUnseen(one)))
    .map(({ fault, comer, victims: count, lost }) => `${fault}, ${comer}: ${count} victims, ${lost} pulls lost`)
}

export function isUnseen({ fault, comer }: Pick<Victims, 'fault' | 'comer'>): boolean {
  return faultOf(fault).kind === 'dial' && comer === 'skopeo'
}

/** E: all succeed. */
export function missedStreamed(cells: readonly Cell[]): readonly string[] {
  return cells.filter((cell) => cell.result !== 'ok').map(nameOf)
}
