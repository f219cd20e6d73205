// The five tables one after the other, over fleets that share nothing.

import { join } from 'node:path'
import type { Cell } from './cell.ts'
import { type FaultName, faults } from './faults.ts'
import { missedLate, missedStanding, missedStreamed, missedVictims } from './goals.ts'
import type { ClientName, Starter } from './lane.ts'
import { type ClientPolicy, type MatrixFleet, startMatrixFleet } from './matrix-fleet.ts'
import { printCells, printVictims, type StreamedBytes } from './print-tables.ts'
import { runLate, runStanding, runStreamed, type TableOptions } from './stand-tables.ts'
import { type Comer, runVictims } from './victims-table.ts'

export const tableLetters = ['A', 'B', 'C', 'D', 'E'] as const
export type TableLetter = (typeof tableLetters)[number]

export type TableRun = {
  readonly folder: string
  readonly clients: readonly ClientName[]
  readonly faults?: readonly FaultName[]
  /** A pull that takes longer hangs. */
  readonly limitMs?: number
  /** Other programs than those of this machine. */
  readonly starterOf?: (client: ClientName) => Starter
  readonly say?: (line: string) => void
}

export type Told = {
  readonly letter: TableLetter
  readonly title: string
  readonly text: string
  readonly missed: readonly string[]
}

type CellTable = {
  readonly policy: ClientPolicy
  readonly title: string
  readonly run: (fleet: MatrixFleet, options: TableOptions) => Promise<readonly Cell[]>
  readonly missed: (cells: readonly Cell[]) => readonly string[]
}

const cellTables: Readonly<Record<Exclude<TableLetter, 'D'>, CellTable>> = {
  A: {
    policy: 'empty',
    title: 'The fault stands before the pull; no client policy, everybody is sent to any host',
    run: runStanding,
    missed: missedStanding,
  },
  B: {
    policy: 'default',
    title: 'The fault stands before the pull; the default client policy, the good host is gold',
    run: runStanding,
    missed: missedStanding,
  },
  C: {
    policy: 'empty',
    title: 'The fault begins between the proof and the download; no client policy',
    run: runLate,
    missed: missedLate,
  },
  E: {
    policy: 'stream',
    title: 'Stream mode: the bytes come through the front door; the fault begins when the client asks',
    run: runStreamed,
    missed: missedStreamed,
  },
}

/** Longer than the 30 s after which Go gives up dialling: docker and podman survive that. */
const defaultLimitMs = 42_000

export async function runTable(letter: TableLetter, about: TableRun): Promise<Told> {
  const names = about.faults ?? faults.map(({ name }) => name)
  const say = about.say ?? (() => undefined)
  if (letter === 'D') return await runVictimsTable(names, about, say)
  const { policy, title, run, missed } = cellTables[letter]
  await using fleet = await startMatrixFleet(join(about.folder, `fleet-${letter}`), policy)
  const cells = await run(fleet, {
    table: 0,
    folder: join(about.folder, letter),
    clients: about.clients,
    faults: names,
    limitMs: about.limitMs ?? defaultLimitMs,
    // Hung pulls cost time and no work; all others are work.
    lanes: (client) => (letter === 'C' || client.startsWith('docker') ? 3 : 1),
    starterOf: about.starterOf,
    onCell: ({ fault, client, result, seconds, said }) =>
      say(`${letter}  ${fault}  ${client}  ${result}  ${seconds.toFixed(1)} s  ${said.split('\n').at(-2) ?? ''}`),
  })
  const streamed = letter === 'E' ? await readStreamed(fleet) : undefined
  return { letter, title, text: printCells(cells, about.clients, names, streamed), missed: missed(cells) }
}

async function readStreamed({ flotilla }: MatrixFleet): Promise<StreamedBytes> {
  const page = await (await fetch(`${flotilla.url('api')}/metrics`)).text()
  const read = (name: string) => {
    const found = new RegExp(`^flotilla_frontdoor_${name}_total(?:\\{.*\\})? (\\S+)$`, 'm').exec(page)
    if (!found) throw new Error(`no metric ${name}`)
    return Number(found[1])
  }
  return { hosts: read('stream_host_bytes'), origin: read('stream_origin_bytes') }
}

async function runVictimsTable(
  names: readonly FaultName[],
  about: TableRun,
  say: (line: string) => void,
): Promise<Told> {
  await using fleet = await startMatrixFleet(join(about.folder, 'fleet-D'), 'empty')
  const comers: readonly Comer[] = [
    'docker',
    'skopeo',
    ...(about.clients.includes('docker') ? ['docker itself' as const] : []),
  ]
  const victims = await runVictims(fleet, {
    table: 0,
    folder: join(about.folder, 'D'),
    comers,
    faults: names,
    networks: 5,
    onVictims: (one) => say(`D  ${one.fault}  ${one.comer}  ${one.victims} victims  ${one.reason ?? 'still trusted'}`),
  })
  const title =
    'Good to the prober, bad to clients: client networks that were failed before nobody is sent there any more'
  return { letter: 'D', title, text: printVictims(victims, comers, names), missed: missedVictims(victims) }
}
