// What a request feels while snapshots are replaced: requests at a fixed rate, half of what the front door can do, first in peace, then
// with a new publication, placement and health every second. Requests are due at their time, however late the answer before them was,
// so that nothing that was made to wait hides behind it.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { bundledCountryFile, openPlaces } from '#snapshots/places.ts'
import { makeLargePublication } from './large-publication.ts'
import { LoadConnection } from './load-connection.ts'
import { type PinnedServer, startPinnedFront } from './pinned-server.ts'
import { realAddresses } from './real-fleet.ts'

const seconds = Number(process.env.FLOTILLA_BENCH_SECONDS ?? 20)
const perSecond = Number(process.env.FLOTILLA_BENCH_RATE ?? 5000)
const connections = 64
const goals = { p99Ms: 1, stepMs: 5 } as const

type Latencies = { readonly p50: number; readonly p99: number; readonly p999: number; readonly worst: number }

/** No client asks for the same twice: that would tell that its host failed it. */
let asked = 0

function headOf(n: number, paths: readonly string[], addresses: readonly string[]): string {
  const client = Math.floor(n / 4)
  const path = paths[(n * 31 + Math.floor(client / addresses.length)) % paths.length]
  const address = addresses[client % addresses.length]
  return `GET ${path} HTTP/1.1\r\nHost: registry.example.org\r\nUser-Agent: docker/28.5.2\r\nX-Forwarded-For: ${address}\r\n\r\n`
}

/** In milliseconds, from when a request was due to the end of its answer. */
async function load(server: PinnedServer, paths: readonly string[], addresses: readonly string[]): Promise<Latencies> {
  const free = await Promise.all(Array.from({ length: connections }, () => LoadConnection.open(server.port)))
  const all = [...free]
  const due: number[] = []
  const taken: number[] = []
  const serve = async (connection: LoadConnection) => {
    for (let dueMs = due.shift(); dueMs !== undefined; dueMs = due.shift()) {
      const { status } = await connection.ask(headOf(asked++, paths, addresses))
      if (status !== 307) throw new Error(`answered ${status}`)
      taken.push(performance.now() - dueMs)
    }
    free.push(connection)
  }
  const running: Promise<void>[] = []
  const startedMs = performance.now()
  for (let n = 0; n < seconds * perSecond; ) {
    for (const nowMs = performance.now(); startedMs + (n * 1000) / perSecond <= nowMs; n++)
      due.push(startedMs + (n * 1000) / perSecond)
    while (due.length > 0 && free.length > 0) running.push(serve(free.shift()!))
    await pause(0)
  }
  await Promise.all(running)
  for (const connection of all) connection.close()
  taken.sort((a, b) => a - b)
  const at = (part: number) => taken[Math.min(taken.length - 1, Math.floor(taken.length * part))]!
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), worst: at(1) }
}

const folder = mkdtempSync(join(tmpdir(), 'flotilla-swap-'))
const results: Record<string, Latencies> = {}
try {
  const { packs, blobPaths, large } = await makeLargePublication(folder, seconds + 10)
  const places = await openPlaces({ countryFile: bundledCountryFile(), asnFile: undefined, countryOverrides: [] })
  const addresses = realAddresses(30_000, places)
  const about = { packs, tree: folder, missing: [large.digest], ticket: 'query' } as const
  for (const [name, isSwapping] of [
    ['in peace', false],
    ['swapping', true],
  ] as const) {
    const server = await startPinnedFront({ name, ...about, isSwapping })
    try {
      await load(server, blobPaths, addresses)
      results[name] = await load(server, blobPaths, addresses)
    } finally {
      await server.stop()
    }
    const { p50, p99, p999, worst } = results[name]!
    const ms = (value: number) => `${value.toFixed(2)} ms`.padStart(10)
    console.log(`${name.padEnd(10)} p50 ${ms(p50)}  p99 ${ms(p99)}  p99.9 ${ms(p999)}  worst ${ms(worst)}`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
mkdirSync('test/results', { recursive: true })
const record = { load: loadavg(), perSecond, seconds, results }
writeFileSync('test/results/bench-swap.json', `${JSON.stringify(record, undefined, 2)}\n`)
const step = results.swapping!.p999 - results['in peace']!.p999
console.log(`p99 in peace: goal ${goals.p99Ms} ms: ${results['in peace']!.p99 <= goals.p99Ms ? 'met' : 'MISSED'}`)
console.log(`step at p99.9: ${step.toFixed(2)} ms, goal ${goals.stepMs} ms: ${step <= goals.stepMs ? 'met' : 'MISSED'}`)
