// Table D: hosts that are good to the prober and bad to clients. Clients of one network after another come by; how many are failed
// before nobody is sent there any more?

import { eachBounded } from '#kit/each-bounded.ts'
import { waitUntil } from '../../kit/wait-until.ts'
import { type Fault, type FaultName, faults } from './faults.ts'
import type { FaultyHost } from './faulty-host.ts'
import { Lane } from './lane.ts'
import { isTrusted, type MatrixFleet, type MatrixHost } from './matrix-fleet.ts'
import type { Manner } from './scripted-client.ts'
import { type Visit, type Visited, visitByScript, visitInLane } from './visit-host.ts'

/** By script as one of two, or the real one. */
export type Comer = Manner | 'docker itself'

export type Victims = {
  readonly fault: FaultName
  readonly comer: Comer
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
  readonly folder: string
  readonly comers: readonly Comer[]
  readonly faults: readonly FaultName[]
  /** Networks that come by. */
  readonly networks: number
  readonly onVictims?: (victims: Victims) => void
}

/** Clients come so far apart, unless the host is out earlier. */
const apartMs = 8_000
/** No fleet has dozens of liars at a time. */
const atOnce = 12
/** Beside them. */
const dockers = 3
/** After it docker's user gives a silent pull up. */
const limitMs = 42_000

type Counting = { readonly networks: number; readonly visit: (visit: Visit) => Promise<Visited> }

/** A host cannot tell probers from clients before it reads a request; the networks between can. So these clients reach another face. */
async function secondFace(fault: Fault, fleet: MatrixFleet, at: number): Promise<FaultyHost | undefined> {
  if (fault.kind !== 'dial') return undefined
  const face = await fleet.startHost({ address: `127.0.0.${2 + (at % 4)}`, isTls: fault.name === 'bad certificate' })
  await face.become({ is: 'bad', fault: fault.name as FaultName })
  return face
}

async function countVictims(fleet: MatrixFleet, host: MatrixHost, comer: Comer, options: Counting): Promise<Victims> {
  const fault = faults.find(({ name }) => name === host.fault)!
  const face = await secondFace(fault, fleet, options.networks)
  if (!face) await host.host.become({ is: 'liar', fault: host.fault })
  const { url } = host.host
  const reach = (location: string) =>
    face && location.startsWith(url) ? `${face.url}${location.slice(url.length)}` : location
  const state = async () => (await fleet.listHosts()).get(host.name)
  let victims = 0
  let lost = 0
  let network = 0
  for (; network < options.networks && isTrusted(await state()); network++) {
    const clientAddress = host.clientAddress.replace(/\.0\.7$/, `.${network}.7`)
    const { isWhole, isVictim } = await options.visit({ fleet, host, clientAddress, reach })
    if (!isWhole) lost++
    if (isVictim) victims++
    await waitUntil(async () => !isTrusted(await state()), { what: 'it is out', limitMs: apartMs, everyMs: 200 }).catch(
      () => undefined,
    )
  }
  const last = await state()
  const reason = isTrusted(last) ? undefined : (last?.state?.reason ?? 'not alive')
  const circuit = last?.state?.circuit ?? 'closed'
  return { fault: host.fault, comer, networks: network, victims, lost, reason, circuit }
}

export async function runVictims(fleet: MatrixFleet, options: VictimsOptions): Promise<readonly Victims[]> {
  const { comers, table, networks } = options
  const hostsOf = await Promise.all(
    comers.map((_, column) =>
      fleet.addHosts(
        table + column,
        options.faults.map((fault) => ({ fault, column })),
        16,
      ),
    ),
  )
  const counted: Victims[] = []
  const count = async (host: MatrixHost, comer: Comer, visit: Counting['visit']) => {
    const victims = await countVictims(fleet, host, comer, { networks, visit })
    options.onVictims?.(victims)
    counted.push(victims)
  }
  const told = hostsOf.flatMap((hosts, column) => hosts.map((host) => ({ host, comer: comers[column]! })))
  await Promise.all([
    eachBounded(told, atOnce, async ({ host, comer }) => {
      if (comer !== 'docker itself') await count(host, comer, (visit) => visitByScript(comer, visit))
      return undefined
    }),
    inLanes(
      fleet,
      options.folder,
      told.filter(({ comer }) => comer === 'docker itself'),
      (lane, { host, comer }) => count(host, comer, (visit) => visitInLane(lane, visit)),
    ),
  ])
  return counted
}

async function inLanes<T>(
  fleet: MatrixFleet,
  folder: string,
  waiting: T[],
  run: (lane: Lane, one: T) => Promise<void>,
): Promise<void> {
  const lanes = Array.from({ length: Math.min(dockers, waiting.length) }, (_, n) => `${folder}/docker-${n}`)
  await Promise.all(
    lanes.map(async (own) => {
      await using lane = new Lane('docker', fleet, { folder: own, limitMs })
      for (let one = waiting.shift(); one; one = waiting.shift()) await run(lane, one)
    }),
  )
}
