// `npm run bench -- felt`: what a docker user waits for before a layer begins: GET of a blob to its 307, through HAProxy with TLS, on a
// new connection each. Once with hosts that are proven, near and over a line; once when a host 300 ms away must be probed first.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Authority, makeAuthority } from '../kit/certificate-authority.ts'
import { exchange } from '../kit/client-exchange.ts'
import { findFreePort } from '../kit/free-port.ts'
import { type RunningProcess, startProcess } from '../kit/process.ts'
import { dockerAgent } from '../kit/scripted-client.ts'
import { seeded } from '../kit/seeded.ts'
import { SimFleet } from '../kit/sim-fleet.ts'
import { SlowLine } from '../kit/slow-line.ts'
import { getTool } from '../kit/tool.ts'
import { waitUntil } from '../kit/wait-until.ts'

const shipped = join(import.meta.dir, '../../deploy/haproxy/flotilla.cfg')
const asks = 300
const everyMs = 20
const farMs = 300
const random = seeded(1)

let networks = 0
const folder = mkdtempSync(join(tmpdir(), 'flotilla-felt-'))

async function startHaproxy(authority: Authority, frontUrl: string, port: number): Promise<RunningProcess> {
  const chain = join(folder, 'chain.pem')
  writeFileSync(chain, readFileSync(authority.cert, 'utf8') + readFileSync(authority.key, 'utf8'))
  const text = readFileSync(shipped, 'utf8')
    .replace('maxconn 20000', 'maxconn 400')
    .replace('bind :443', `bind 127.0.0.1:${port}`)
    .replace('/etc/haproxy/registry.example.org.pem', chain)
    .replace(/^ *server front2.*$/m, '')
    .replace(/^( *server front1) .*$/m, `$1 ${new URL(frontUrl).host} ssl verify none`)
    .replace('default-server check', 'default-server check check-ssl verify none')
  const config = join(folder, 'haproxy.cfg')
  writeFileSync(config, text)
  const haproxy = startProcess(getTool('haproxy'), ['-db', '-f', config], { logFile: join(folder, 'haproxy.log') })
  const tls = { ca: readFileSync(authority.bundle, 'utf8') }
  await waitUntil(async () => (await fetch(`https://127.0.0.1:${port}/v2/`, { tls })).ok, { what: 'HAProxy answers' })
  return haproxy
}

/** Prints the quantiles of the time from the request to the 307. `needed`: what the line itself takes. */
async function measure(what: string, fleet: SimFleet, port: number, ca: string, needed: number): Promise<void> {
  const took: number[] = []
  let others = 0
  const ask = async () => {
    const { digest } = fleet.tree.blobs[Math.floor(random() * fleet.tree.blobs.length)]!
    const headers = { 'user-agent': dockerAgent, 'x-forwarded-for': `10.${networks >> 8}.${networks++ & 255}.7` }
    const answer = await exchange(`https://127.0.0.1:${port}${fleet.pathOf(digest)}`, {
      headers,
      silenceMs: 20_000,
      ca,
    })
    if (answer.status === 307) took.push(answer.tookMs)
    else others++
  }
  const running: Promise<void>[] = []
  for (let n = 0; n < asks; n++) {
    running.push(ask())
    await pause(everyMs)
  }
  await Promise.all(running)
  took.sort((a, b) => a - b)
  const at = (part: number) => took[Math.min(took.length - 1, Math.floor(part * took.length))]!
  const told = [0.5, 0.9, 0.99].map((part) => `p${100 * part} ${at(part).toFixed(1).padStart(7)} ms`).join('  ')
  console.log(`${what.padEnd(46)} ${told}   of it on the line ${needed} ms; answered otherwise ${others} of ${asks}`)
}

async function shake(fleet: SimFleet): Promise<void> {
  const healths = () => [...fleet.holder.current.fleet.health.byId.values()]
  for (const host of fleet.hosts) await host.setMode('503')
  await waitUntil(() => healths().every(({ isShaky }) => isShaky), { what: 'every host is seen to fail' })
  for (const host of fleet.hosts) await host.setMode('good')
  await waitUntil(() => healths().every(({ isAlive }) => isAlive), { what: 'every host is seen to be well' })
}

try {
  const authority = await makeAuthority(join(folder, 'tls'))
  const ca = readFileSync(authority.bundle, 'utf8')
  const line = { roundTripMs: farMs, stallShare: 0, stallMs: 0, random }
  await using fleet = await SimFleet.start({
    hosts: 6,
    gold: 2,
    blobs: 24,
    blobBytes: 70_000,
    haste: 5,
    authority,
    line,
  })
  await fleet.watch()
  const port = await findFreePort()
  await using _ = await startHaproxy(authority, fleet.url, port)
  console.log('GET of a blob to its 307, through HAProxy with TLS, a new connection each')
  await measure('proven', fleet, port, ca, 0)
  for (const roundTripMs of [20, 100]) {
    const near = { ...line, roundTripMs }
    await using way = await SlowLine.open('127.0.0.1', { host: '127.0.0.1', port }, near)
    await measure(`proven, users ${roundTripMs} ms away`, fleet, way.port, ca, roundTripMs)
  }
  await shake(fleet)
  await measure(`a probe ${farMs} ms away is needed`, fleet, port, ca, farMs)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
