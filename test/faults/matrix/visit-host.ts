// A client of one network comes by a host that lies: as docker or skopeo by script, or docker itself.

import { sentBy } from './cell.ts'
import type { Lane } from './lane.ts'
import { largeBytes, type MatrixFleet, type MatrixHost, repository } from './matrix-fleet.ts'
import { handAttempts, type Manner, pullByScript } from './scripted-client.ts'

export type Visit = {
  readonly fleet: MatrixFleet
  readonly host: MatrixHost
  readonly clientAddress: string
  /** What this client's network makes of an address. */
  readonly reach: (location: string) => string
}

export type Visited = {
  /** The pull, whatever its user did. */
  readonly isWhole: boolean
  /** It was failed by the host. */
  readonly isVictim: boolean
}

const patienceMs = 3_000

export async function visitByScript(manner: Manner, { fleet, host, clientAddress, reach }: Visit): Promise<Visited> {
  const { isWhole, failedAt } = await pullByScript(manner, {
    frontUrl: fleet.flotilla.url('frontdoor'),
    repository,
    clientAddress,
    layers: fleet.image.layers.filter(({ gzip }) => gzip.length >= largeBytes).map(({ digest }) => digest),
    reach,
    patienceMs,
  })
  return { isWhole, isVictim: failedAt.some((location) => location.startsWith(host.host.url)) }
}

/** Nothing tells what docker made of a transfer; but who was sent there and took bytes of another as well was failed. */
export async function visitInLane(lane: Lane, { fleet, host, clientAddress, reach }: Visit): Promise<Visited> {
  let isVictim = false
  for (let attempt = 0; attempt < handAttempts; attempt++) {
    const outcome = await lane.pull(clientAddress, { reach })
    const isWhole = outcome.result === 'ok'
    const isSent = [...outcome.log.locations].some((location) => location.startsWith(host.host.url))
    if (isSent && (!isWhole || sentBy(fleet.good, outcome) > 0)) isVictim = true
    if (isWhole) return { isWhole, isVictim }
  }
  return { isWhole: false, isVictim }
}
