// Tables A, B, C and E: real clients meet a host that failed before the pull, or that fails between the proof and the download.

import { type Cell, cellOf } from './cell.ts'
import type { FaultName } from './faults.ts'
import { type ClientName, Lane, type Starter } from './lane.ts'
import type { MatrixFleet, MatrixHost } from './matrix-fleet.ts'

export type TableOptions = {
  /** Its number among the tables of this fleet: networks and names follow from it. */
  readonly table: number
  readonly folder: string
  readonly clients: readonly ClientName[]
  readonly faults: readonly FaultName[]
  readonly limitMs: number
  /** Clients of one name that pull at the same time, cells apart. */
  readonly lanes: (client: ClientName) => number
  /** Other programs than those of this machine. */
  readonly starterOf?: ((client: ClientName) => Starter) | undefined
  readonly onCell?: (cell: Cell) => void
}

type Task = { readonly client: ClientName; readonly host: MatrixHost }

/** Runs every task in a lane of its client, lanes side by side. */
async function runInLanes(
  fleet: MatrixFleet,
  tasks: readonly Task[],
  options: TableOptions,
  run: (lane: Lane, task: Task) => Promise<Cell>,
): Promise<readonly Cell[]> {
  const cells: Cell[] = []
  const lanes = options.clients.flatMap((client, column) => {
    const waiting = tasks.filter((task) => task.client === client)
    const count = Math.min(options.lanes(client), waiting.length)
    return Array.from({ length: count }, (_, n) => ({ client, waiting, name: `c${column}-${n}` }))
  })
  await Promise.all(
    lanes.map(async ({ client, waiting, name }) => {
      const folder = `${options.folder}/t${options.table}-${name}`
      const start = options.starterOf?.(client)
      await using lane = new Lane(client, fleet, { folder, limitMs: options.limitMs, ...(start && { start }) })
      for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) {
        const cell = await run(lane, task)
        cells.push(cell)
        options.onCell?.(cell)
      }
    }),
  )
  return cells
}

async function addTasks(fleet: MatrixFleet, { table, clients, faults }: TableOptions): Promise<Task[]> {
  const places = faults.flatMap((fault) => clients.map((_, column) => ({ fault, column })))
  const hosts = await fleet.addHosts(table, places)
  return hosts.map((host, at) => ({ host, client: clients[at % clients.length]! }))
}

/** The fault stands before the pull, so long that the mirror role has met it. Goal: every pull succeeds, from a host. */
export async function runStanding(fleet: MatrixFleet, options: TableOptions): Promise<readonly Cell[]> {
  const tasks = await addTasks(fleet, options)
  await Promise.all(tasks.map(({ host }) => host.host.become({ is: 'bad', fault: host.fault })))
  const trusted = await fleet.waitUntilOut(tasks.map(({ host }) => host))
  if (trusted.length > 0) console.log(`still trusted: ${trusted.map(({ fault }) => fault).join(', ')}`)
  return await runInLanes(fleet, tasks, options, async (lane, { client, host }) => {
    const outcome = await lane.pull(host.clientAddress)
    return cellOf({ fault: host.fault, client, good: fleet.good, bad: host.host }, outcome)
  })
}

/** The host is sound until the client is on its way: the front door has sent it there, and the fault begins before it arrives. */
export async function runLate(fleet: MatrixFleet, options: TableOptions): Promise<readonly Cell[]> {
  const tasks = await addTasks(fleet, options)
  return await runInLanes(fleet, tasks, options, async (lane, { client, host }) => {
    let turning: Promise<void> | undefined
    const outcome = await lane.pull(host.clientAddress, {
      onRedirect: async (location) => {
        if (location.startsWith(host.host.url)) await (turning ??= host.host.become({ is: 'bad', fault: host.fault }))
      },
    })
    return cellOf({ fault: host.fault, client, good: fleet.good, bad: host.host }, outcome)
  })
}

/** Table E: nobody is sent anywhere, the front door reads from the hosts itself; the fault begins when the client asks. */
export async function runStreamed(fleet: MatrixFleet, options: TableOptions): Promise<readonly Cell[]> {
  const tasks = await addTasks(fleet, options)
  return await runInLanes(fleet, tasks, options, async (lane, { client, host }) => {
    let turning: Promise<void> | undefined
    const outcome = await lane.pull(host.clientAddress, {
      onAsk: () => (turning ??= host.host.become({ is: 'bad', fault: host.fault })),
    })
    return cellOf({ fault: host.fault, client, good: fleet.good, bad: host.host }, outcome)
  })
}
