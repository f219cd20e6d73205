// `npm run bench -- tls`: what a new TLS connection costs that asks once, as docker does for each blob: at the front door's own listener,
// and where HAProxy ends TLS and names the client by the PROXY protocol. Servers on core 0, wrk on core 1, in turn. Judged by the
// processor time of all servers that take part, since the handshakes of the load generator cost more than theirs.

import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeAuthority } from '../kit/certificate-authority.ts'
import { canConnect, findFreePort } from '../kit/free-port.ts'
import { mustRun, type RunningProcess, startProcess } from '../kit/process.ts'
import { getTool } from '../kit/tool.ts'
import { waitUntil } from '../kit/wait-until.ts'
import { median } from './comparison.ts'

const rounds = 3
const seconds = 2

type Side = { readonly name: string; readonly port: number; readonly processes: readonly RunningProcess[] }
type Sample = { readonly perSecond: number; readonly perCpu: number }

const folder = mkdtempSync(join(tmpdir(), 'flotilla-tls-'))
const onServerCore = (name: string, ...command: string[]) =>
  startProcess('taskset', ['-c', '0', ...command], { logFile: join(folder, name) })

function cpuSeconds({ pid }: RunningProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

async function load({ name, port, processes }: Side): Promise<Sample> {
  const cpu = () => processes.reduce((sum, one) => sum + cpuSeconds(one), 0)
  const before = cpu()
  const args = [
    '-c',
    '1',
    'wrk',
    '-t1',
    '-c32',
    `-d${seconds}s`,
    '-H',
    'Connection: close',
    `https://127.0.0.1:${port}/v2/`,
  ]
  const wrk = spawn('taskset', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  for await (const chunk of wrk.stdout) said += chunk
  if (/Non-2xx/.test(said)) throw new Error(`${name}: ${said}`)
  const connections = Number(/(\d+) requests in/.exec(said)?.[1])
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(said)?.[1])
  return { perSecond, perCpu: connections / (cpu() - before) }
}

async function startSides(): Promise<Side[]> {
  const { cert, key } = await makeAuthority(join(folder, 'authority'))
  const pem = join(folder, 'pem')
  await mustRun('sh', ['-c', `cat '${cert}' '${key}' > '${pem}'`])
  const [own, behind, haproxy] = [await findFreePort(), await findFreePort(), await findFreePort()]
  const server = [process.execPath, join(import.meta.dir, 'tls-server.ts')]
  const config = join(folder, 'haproxy.cfg')
  writeFileSync(
    config,
    `global\n  nbthread 1\n  maxconn 1000\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 9s\n  timeout server 9s
listen users\n  bind 127.0.0.1:${haproxy} ssl crt ${pem} alpn http/1.1\n  server front 127.0.0.1:${behind} send-proxy-v2-ssl\n`,
  )
  const ownServer = onServerCore('own', ...server, String(own), cert, key)
  const behindServer = onServerCore('behind', ...server, String(behind))
  const proxy = onServerCore('haproxy', getTool('haproxy'), '-db', '-f', config)
  for (const port of [own, behind, haproxy])
    await waitUntil(() => canConnect('127.0.0.1', port), { what: `a server at port ${port}` })
  return [
    { name: 'own listener', port: own, processes: [ownServer] },
    { name: 'HAProxy before it', port: haproxy, processes: [proxy, behindServer] },
  ]
}

const sides = await startSides()
try {
  const samples = new Map(sides.map(({ name }) => [name, [] as Sample[]]))
  for (const side of sides) await load(side)
  for (let round = 0; round < rounds; round++) {
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) samples.get(side.name)!.push(await load(side))
  }
  const results = [...samples].map(([name, taken]) => ({
    name,
    perSecond: median(taken.map((one) => one.perSecond)),
    perCpu: median(taken.map((one) => one.perCpu)),
  }))
  const [own, proxied] = results as [(typeof results)[0], (typeof results)[0]]
  console.log(`new TLS connections, one request each; load ${loadavg()[0]!.toFixed(2)}`)
  for (const { name, perSecond, perCpu } of results) {
    const ratio = `${(perCpu / proxied.perCpu).toFixed(2)}x`
    console.log(
      `${name.padEnd(20)} ${perSecond.toFixed(0).padStart(7)}/s ${perCpu.toFixed(0).padStart(7)}/cpu s ${ratio}`,
    )
  }
  mkdirSync('test/results', { recursive: true })
  const ratio = own.perCpu / proxied.perCpu
  writeFileSync('test/results/bench-tls.json', `${JSON.stringify({ load: loadavg(), results, ratio }, undefined, 2)}\n`)
} finally {
  await Promise.all(sides.flatMap(({ processes }) => processes.map((one) => one.stop())))
  rmSync(folder, { recursive: true, force: true })
}
