// The front door beside nginx and HAProxy, each alone on core 0, wrk on core 1, in turn: redirects beside bare redirects, manifests by tag
// beside the same bytes as files, a large layer beside sendfile. Every redirect is the first of its client and blob, so each one is a
// full decision: client address behind a proxy, its country by the real database, kind of client, the hosts of 1,000 ranked that are
// near, memory kept. 1,000,000 blobs are published.

import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { blobPath } from '#oci/digest.ts'
import { mediaTypes } from '#oci/media-type.ts'
import { bundledCountryFile, openPlaces } from '#snapshots/places.ts'
import { median } from './comparison.ts'
import { makeLargePublication } from './large-publication.ts'
import {
  cpuSeconds,
  type PinnedServer,
  startPinnedFront,
  startPinnedHaproxy,
  startPinnedNginx,
} from './pinned-server.ts'
import { realAddresses } from './real-fleet.ts'

const clientCount = 30_000
const rounds = Number(process.env.FLOTILLA_BENCH_ROUNDS ?? 3)
const seconds = 3
const goals = { redirect: 0.6, manifest: 0.6, large: 0.95 } as const

/** perCpu: requests for each second of processor time that the server took; it stays true while others use the machine. */
type Sample = { readonly perSecond: number; readonly perCpu: number }

/** wrk's requests: every one from another /24 of the world, behind a proxy, over all paths; as docker sends them. */
function writeScript(path: string, paths: readonly string[], addresses: readonly string[]): void {
  const head = [
    'Host: registry.example.org',
    'User-Agent: docker/28.5.2 go/go1.24.8 os/linux arch/amd64 UpstreamClient(Docker-Client/28.5.2)',
    `Accept: ${mediaTypes.ociManifest}`,
    'Accept-Encoding: identity',
    '',
  ].join('\\r\\n')
  const list = (all: readonly string[]) => all.map((one) => `"${one}"`).join(',')
  writeFileSync(
    path,
    `local paths = { ${list(paths)} }
local addresses = { ${list(addresses)} }
local count, n, clients = 0, #paths, #addresses
init = function(args) count = tonumber(args[1]) end
request = function()
  count = count + 1
  local client = math.floor(count / 4)
  local turn = math.floor(client / clients)
  return "GET " .. paths[(count * 31 + turn) % n + 1] .. " HTTP/1.1\\r\\n${head}X-Forwarded-For: " .. addresses[client % clients + 1] .. "\\r\\n\\r\\n"
end
`,
  )
}

// Each run begins where no other has been, so that no client comes back.
let run = 0

const scales = { KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30 } as const

type Load = {
  readonly scriptFor: (server: PinnedServer) => string
  readonly connections: number
  /** What is counted. */
  readonly of: 'requests' | 'bytes'
}

async function load(server: PinnedServer, { scriptFor, connections, of }: Load): Promise<Sample> {
  const base = `http://127.0.0.1:${server.port}`
  const offset = String(run++ * 10_000_000)
  const options = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '30s', '-s', scriptFor(server)]
  const before = cpuSeconds(server.pid)
  const wrk = spawn('taskset', ['-c', '1', 'wrk', ...options, base, offset], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  for await (const chunk of wrk.stdout) said += chunk
  if (/Non-2xx|Socket errors/.test(said)) throw new Error(`${server.name}: ${said}`)
  const [, requests, took, read, scale] = /(\d+) requests in ([\d.]+)s, ([\d.]+)([KMG]B) read/.exec(said)!
  const done = of === 'requests' ? Number(requests) : Number(read) * scales[scale as keyof typeof scales]
  return { perSecond: done / Number(took), perCpu: done / (cpuSeconds(server.pid) - before) }
}

/** Medians of all servers over the rounds, each round in another order. */
async function measure(servers: readonly PinnedServer[], about: Load): Promise<Map<string, Sample>> {
  const samples = new Map(servers.map(({ name }) => [name, [] as Sample[]]))
  for (const server of servers) await load(server, about)
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? servers : [...servers].reverse()
    for (const server of order) samples.get(server.name)!.push(await load(server, about))
  }
  return new Map(
    [...samples].map(([name, taken]) => {
      const [perSecond, perCpu] = [median(taken.map((one) => one.perSecond)), median(taken.map((one) => one.perCpu))]
      return [name, { perSecond, perCpu }]
    }),
  )
}

const folder = mkdtempSync(join(tmpdir(), 'flotilla-redirect-'))
const running: PinnedServer[] = []
type Result = Sample & { what: string; server: string; ratio: number; cpuRatio: number }
const results: Result[] = []
function say(what: string, medians: Map<string, Sample>): void {
  const nginx = medians.get('nginx')!
  for (const [server, sample] of medians) {
    const [ratio, cpuRatio] = [sample.perSecond / nginx.perSecond, sample.perCpu / nginx.perCpu]
    results.push({ what, server, ...sample, ratio, cpuRatio })
    const rate = `${sample.perSecond.toFixed(0).padStart(7)}/s ${ratio.toFixed(2)}x`
    const cpu = `${sample.perCpu.toFixed(0).padStart(7)}/cpu s ${cpuRatio.toFixed(2)}x`
    console.log(`${what.padEnd(32)} ${server.padEnd(15)} ${rate}  ${cpu}`)
  }
}
try {
  const tree = join(folder, 'files/large')
  mkdirSync(tree, { recursive: true })
  const { packs, blobPaths, manifests, large } = await makeLargePublication(tree)
  const target = `http://192.0.2.1/${blobPath(large.digest)}`
  const nginx = await startPinnedNginx(folder, { redirect: target, files: manifests })
  const haproxy = await startPinnedHaproxy(folder, target)
  const about = { packs, tree, missing: [large.digest] }
  const plain = await startPinnedFront({ name: 'flotilla', ticket: 'none', ...about })
  const tickets = await startPinnedFront({ name: 'with tickets', ticket: 'query', ...about })
  const fixed = await startPinnedFront({ name: 'listener alone', ticket: 'none', isFixed: true, ...about })
  running.push(nginx, haproxy, fixed, plain, tickets)

  const places = await openPlaces({ countryFile: bundledCountryFile(), asnFile: undefined, countryOverrides: [] })
  const addresses = realAddresses(clientCount, places)
  const scripts = { blobs: join(folder, 'blobs.lua'), tags: join(folder, 'tags.lua') }
  writeScript(scripts.blobs, blobPaths, addresses)
  writeScript(
    scripts.tags,
    manifests.map(({ path }) => path),
    addresses,
  )
  const [theirs, ours] = [join(folder, 'theirs.lua'), join(folder, 'ours.lua')]
  writeScript(theirs, [`/large/${blobPath(large.digest)}`], addresses)
  writeScript(ours, [large.path], addresses)
  const small = { connections: 64, of: 'requests' } as const
  console.log(`load ${loadavg()[0]!.toFixed(2)}`)
  say(
    'blob GET, redirected',
    await measure([nginx, haproxy, fixed, plain, tickets], { scriptFor: () => scripts.blobs, ...small }),
  )
  say('manifest GET by tag', await measure([nginx, plain], { scriptFor: () => scripts.tags, ...small }))
  say(
    'blob GET, 100 MiB from here',
    await measure([nginx, plain], {
      scriptFor: (server) => (server === nginx ? theirs : ours),
      connections: 4,
      of: 'bytes',
    }),
  )
} finally {
  await Promise.all(running.map((server) => server.stop()))
  rmSync(folder, { recursive: true, force: true })
}
mkdirSync('test/results', { recursive: true })
writeFileSync('test/results/bench-redirect.json', `${JSON.stringify({ load: loadavg(), results }, undefined, 2)}\n`)
// Redirects and manifests are judged by processor time: the load generator may be the slower side, and then the rates are its own. A
// large layer is judged by its rate: the kernel and the line take most of its time.
for (const [what, goal] of [
  ['blob GET, redirected', goals.redirect],
  ['manifest GET by tag', goals.manifest],
  ['blob GET, 100 MiB from here', goals.large],
] as const) {
  const { ratio, cpuRatio } = results.find((one) => one.what === what && one.server === 'flotilla')!
  const [judged, by] = goal === goals.large ? [ratio, 'the rate'] : [cpuRatio, 'processor time']
  console.log(`${what}: goal ${goal}x of ${by}: ${judged >= goal ? 'met' : 'MISSED'}`)
}
