// The front door beside nginx's bare `return 307`, each alone on core 0, wrk on core 1, in turn. Every request is the first of its
// client and blob, so each one is a full decision: client address behind a proxy, its country by the real database, kind of client, the
// hosts of 1,000 ranked that are near, memory kept. 1,000,000 blobs are published.

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Digest } from '#oci/digest.ts'
import { mediaTypes } from '#oci/media-type.ts'
import type { RepositoryName, Tag } from '#oci/name.ts'
import { type PackRepository, writePack } from '#snapshots/catalogue-pack.ts'
import { bundledCountryFile, openPlaces } from '#snapshots/places.ts'
import { findFreePort } from '../kit/free-port.ts'
import { digestOf } from '../kit/front-door.ts'
import { median } from './comparison.ts'
import { realAddresses } from './real-fleet.ts'

const repositoryCount = 2000
const tagCount = 100
const blobsPerTag = 5
const clientCount = 30_000
const layerBytes = 40_000_000
const rounds = 3
const seconds = 3
const goal = 0.6

type Server = { readonly name: string; readonly port: number; readonly pid: number; stop(): Promise<void> }
/** perCpu: requests for each second of processor time that the server took; it stays true while others use the machine. */
type Sample = { readonly perSecond: number; readonly perCpu: number }

const payloads = new Map<Digest, Uint8Array>()

function makeManifest(): { digest: Digest; sizeBytes: number; layers: readonly Digest[] } {
  const layers = Array.from({ length: blobsPerTag }, () => digestOf(randomBytes(16)))
  const bytes = Buffer.from(JSON.stringify({ layers, padding: randomBytes(400).toString('hex') }))
  const digest = digestOf(bytes)
  payloads.set(digest, bytes)
  return { digest, sizeBytes: bytes.length, layers }
}

function* makeRepositories(): Generator<PackRepository> {
  for (let i = 0; i < repositoryCount; i++) {
    const manifests = Array.from({ length: tagCount }, makeManifest)
    yield {
      name: `fedora/image-${i}` as RepositoryName,
      tagsSet: manifests.map(({ digest }, tag) => [`43.${tag}` as Tag, digest] as const),
      manifestsAdded: manifests.map(({ digest, sizeBytes }) => ({
        digest,
        sizeBytes,
        mediaType: mediaTypes.ociManifest,
      })),
      blobsAdded: manifests.flatMap(({ layers }) =>
        layers.map((digest) => ({ digest, sizeBytes: layerBytes, generation: 1 + (i % 1000) })),
      ),
    }
  }
}

/** Waits for a line of the process that says it is ready. */
async function start(name: string, port: number, command: string[], isReady: () => Promise<boolean>): Promise<Server> {
  const child = spawn('taskset', ['-c', '0', ...command], { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  while (!(await isReady())) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return {
    name,
    port,
    pid: child.pid!,
    async stop() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

const answers = (port: number) => () =>
  fetch(`http://127.0.0.1:${port}/v2/`, { redirect: 'manual' }).then(
    () => true,
    () => false,
  )

function startNginx(folder: string, port: number, location: string): Promise<Server> {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  )
  writeFileSync(
    join(folder, 'nginx.conf'),
    `master_process off; worker_processes 1; daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 1000000000; ${paths.join(' ')}
  server { listen 127.0.0.1:${port}; location / { return 307 ${location}; } } }
`,
  )
  return start('nginx', port, ['nginx', '-e', `${folder}/error.log`, '-c', `${folder}/nginx.conf`], answers(port))
}

async function startFront(pack: string, adapter: 'wire' | 'bun', ticket: 'none' | 'query'): Promise<Server> {
  const port = await findFreePort()
  const command = [process.execPath, join(import.meta.dir, 'front-door-server.ts'), pack, String(port), adapter, ticket]
  return start(`${adapter} ${ticket}`, port, command, answers(port))
}

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

/** Processor time of a process so far, in seconds; the kernel counts in hundredths. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

async function load(server: Server, script: string): Promise<Sample> {
  const base = `http://127.0.0.1:${server.port}`
  const offset = String(run++ * 10_000_000)
  const args = ['-c', '1', 'wrk', '-t1', '-c64', `-d${seconds}s`, '-s', script, base, offset]
  const before = cpuSeconds(server.pid)
  const wrk = spawn('taskset', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  for await (const chunk of wrk.stdout) said += chunk
  if (/Non-2xx|Socket errors/.test(said)) throw new Error(`${server.name}: ${said}`)
  const requests = Number(/(\d+) requests in/.exec(said)?.[1])
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(said)?.[1])
  return { perSecond, perCpu: requests / (cpuSeconds(server.pid) - before) }
}

/** Medians of all servers over the rounds, each round in another order. */
async function measure(servers: readonly Server[], script: string): Promise<Map<string, Sample>> {
  const samples = new Map(servers.map(({ name }) => [name, [] as Sample[]]))
  for (const server of servers) await load(server, script)
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? servers : [...servers].reverse()
    for (const server of order) samples.get(server.name)!.push(await load(server, script))
  }
  return new Map(
    [...samples].map(([name, taken]) => {
      const [perSecond, perCpu] = [median(taken.map((one) => one.perSecond)), median(taken.map((one) => one.perCpu))]
      return [name, { perSecond, perCpu }]
    }),
  )
}

const folder = mkdtempSync(join(tmpdir(), 'flotilla-redirect-'))
const running: Server[] = []
const results: ({
  readonly what: string
  readonly server: string
  readonly ratio: number
  readonly cpuRatio: number
} & Sample)[] = []
function say(what: string, medians: Map<string, Sample>): void {
  const nginx = medians.get('nginx')!
  for (const [server, sample] of medians) {
    const [ratio, cpuRatio] = [sample.perSecond / nginx.perSecond, sample.perCpu / nginx.perCpu]
    results.push({ what, server, ...sample, ratio, cpuRatio })
    const rate = `${sample.perSecond.toFixed(0).padStart(7)}/s ${ratio.toFixed(2)}x`
    const cpu = `${sample.perCpu.toFixed(0).padStart(7)}/cpu s ${cpuRatio.toFixed(2)}x`
    console.log(`${what.padEnd(32)} ${server.padEnd(11)} ${rate}  ${cpu}`)
  }
}
try {
  const pack = join(folder, '1.pack')
  const repositories = [...makeRepositories()]
  const header = { channel: 'bench', from: 0, to: 1000, createdAtMs: 0, smallBlobBytes: 65_536 }
  await writePack(pack, header, repositories, async function* (digest) {
    yield payloads.get(digest)!
  })
  const every = <T>(list: (repository: PackRepository) => readonly T[], path: (name: string, one: T) => string) =>
    repositories.flatMap((repository) =>
      list(repository)
        .slice(0, 4)
        .map((one) => path(repository.name, one)),
    )
  const blobs = every(
    (one) => one.blobsAdded!,
    (name, { digest }) => `/v2/${name}/blobs/${digest}`,
  )
  const tags = every(
    (one) => [...one.tagsSet!],
    (name, [tag]) => `/v2/${name}/manifests/${tag}`,
  )
  const scripts = { blobs: join(folder, 'blobs.lua'), tags: join(folder, 'tags.lua') }
  const places = await openPlaces({ countryFile: bundledCountryFile(), asnFile: undefined, countryOverrides: [] })
  const addresses = realAddresses(clientCount, places)
  writeScript(scripts.blobs, blobs, addresses)
  writeScript(scripts.tags, tags, addresses)

  const nginx = await startNginx(folder, await findFreePort(), `http://192.0.2.1/blobs/sha256/ab/${'0'.repeat(64)}`)
  running.push(nginx)
  const [wire, tickets, bun] = await Promise.all([
    startFront(pack, 'wire', 'none'),
    startFront(pack, 'wire', 'query'),
    startFront(pack, 'bun', 'none'),
  ])
  running.push(wire, tickets, bun)
  console.log(`${repositoryCount} repositories, ${repositoryCount * tagCount} tags, load ${loadavg()[0]!.toFixed(2)}`)
  say('blob GET, redirected (nginx: bare 307)', await measure([nginx, wire, tickets, bun], scripts.blobs))
  say('manifest GET by tag (nginx: bare 307)', await measure([nginx, wire, bun], scripts.tags))
} finally {
  await Promise.all(running.map((server) => server.stop()))
  rmSync(folder, { recursive: true, force: true })
}
mkdirSync('test/results', { recursive: true })
writeFileSync('test/results/bench-redirect.json', `${JSON.stringify({ load: loadavg(), results }, undefined, 2)}\n`)
const ours = results.find(({ server }) => server === 'wire none')!
// Judged by processor time: the load generator and other programs may share the machine, and then the rates are theirs.
console.log(`goal ${goal}x of processor time: ${ours.cpuRatio >= goal ? 'met' : 'MISSED'}`)
