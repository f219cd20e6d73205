// Table D: hosts that are good to the prober and bad to clients. Clients of one network after another come by; how many are failed
// before nobody is sent there any more?

import { eachBounded } from '#kit/each-bounded.ts'
import { waitUntil } from '../../kit/wait-until.ts'
import { type Fault, type FaultName, faults } from './faults.ts'
import type { FaultyHost } from './faulty-host.ts'
import { isTrusted, largeBytes, type MatrixFleet, type MatrixHost, repository } from './matrix-fleet.ts'
import { type Manner, pullByScript } from './scripted-client.ts'

export type Victims = {
  readonly fault: FaultName
  readonly manner: Manner
  /** Networks that came by. */
  readonly networks: number
  /** Of these, such of which a client was failed by the host. */
  readonly victims: number
  /** Pulls that did not become whole, whatever their users did. */
  readonly lost: number
  /** Why nobody is sent there any more; undefined: they still are. */
  readonly reason: string | undefined
  readonly circuit: string
}

export type VictimsOptions = {
  readonly table: number
  readonly manners: readonly Manner[]
  readonly faults: readonly FaultName[]
  /** Networks that come by. */
  readonly networks: number
  readonly onVictims?: (victims: Victims) => void
}

/** Clients come so far apart, unless the host is out earlier. */
const apartMs = 8_000
const patienceMs = 3_000
/** No fleet has dozens of liars at a time. */
const atOnce = 12

/** A host cannot tell probers from clients before it reads a request; the networks between can. So these clients reach another face. */
async function secondFace(fault: Fault, fleet: MatrixFleet, at: number): Promise<FaultyHost | undefined> {
  if (fault.kind !== 'dial') return undefined
  const face = await fleet.startHost({ address: `127.0.0.${2 + (at % 4)}`, isTls: fault.name === 'bad certificate' })
  await face.become({ is: 'bad', fault: fault.name as FaultName })
  return face
}

async function countVictims(fleet: MatrixFleet, host: MatrixHost, manner: Manner, networks: number): Promise<Victims> {
  const fault = faults.find(({ name }) => name === host.fault)!
  const face = await secondFace(fault, fleet, networks)
  if (!face) await host.host.become({ is: 'liar', fault: host.fault })
  const { url } = host.host
  const layers = fleet.image.layers.filter(({ gzip }) => gzip.length >= largeBytes).map(({ digest }) => digest)
  const state = async () => (await fleet.listHosts()).get(host.name)
  let victims = 0
  let lost = 0
  let network = 0
  for (; network < networks && isTrusted(await state()); network++) {
    const { isWhole, failedAt } = await pullByScript(manner, {
      frontUrl: fleet.flotilla.url('frontdoor'),
      repository,
      clientAddress: host.clientAddress.replace(/\.0\.7$/, `.${network}.7`),
      layers,
      reach: (location) => (face && location.startsWith(url) ? `${face.url}${location.slice(url.length)}` : location),
      patienceMs,
    })
    if (!isWhole) lost++
    if (failedAt.some((location) => location.startsWith(url))) victims++
    await waitUntil(async () => !isTrusted(await state()), { what: 'it is out', limitMs: apartMs, everyMs: 200 }).catch(
      () => undefined,
    )
  }
  const last = await state()
  const reason = isTrusted(last) ? undefined : (last?.state?.reason ?? 'not alive')
  return {
    fault: host.fault,
    manner,
    networks: network,
    victims,
    lost,
    reason,
    circuit: last?.state?.circuit ?? 'closed',
  }
}

export async function runVictims(fleet: MatrixFleet, options: VictimsOptions): Promise<readonly Victims[]> {
  const { manners, table } = options
  const places = options.faults.flatMap((fault) => manners.map((_, column) => ({ fault, column })))
  const told = await Promise.all(
    manners.map((_, column) =>
      fleet.addHosts(
        table + column,
        places.filter((place) => place.column === column),
        16,
      ),
    ),
  )
  const counted: Victims[] = []
  const hosts = told.flatMap((ofManner, column) => ofManner.map((host) => ({ host, manner: manners[column]! })))
  await eachBounded(hosts, atOnce, async ({ host, manner }) => {
    const victims = await countVictims(fleet, host, manner, options.networks)
    options.onVictims?.(victims)
    counted.push(victims)
    return undefined
  })
  return counted
}
