// Reads of one manifest: GET by wrk, by tag and by digest; HEAD by our own generator, because wrk waits for a body that HEAD has not.

import { digestOf, makeImage, makeLayer } from '../kit/images.ts'
import { mustRun } from '../kit/process.ts'
import { getTool } from '../kit/tool.ts'
import { alternate, compareSpeed, type Row, takeSample } from './comparison.ts'
import { LoadConnection } from './load-connection.ts'
import { pushLayer, type Repository } from './push.ts'
import type { BenchServer } from './servers.ts'

const connections = 32
const seconds = 2

type Work = { readonly amount: number; readonly seconds: number }
type Read = {
  readonly server: BenchServer
  readonly name: BenchServer['name']
  readonly port: number
  readonly line: string
}

async function pushImage(server: BenchServer, repository: Repository): Promise<string> {
  const { layers, config, manifest } = image
  const connection = await LoadConnection.open(server.port)
  for (const bytes of [...layers.map((layer) => layer.gzip), config.bytes]) {
    const blob = { digest: digestOf(bytes), sizeBytes: bytes.length, pieces: () => [bytes] }
    await pushLayer(connection, repository, blob, 'PUT')
  }
  const head = [
    `PUT /v2/${repository.name}/manifests/latest HTTP/1.1`,
    'Host: bench',
    `Content-Type: ${manifest.mediaType}`,
  ]
  const length = `Content-Length: ${manifest.bytes.length}\r\n${repository.authorization}\r\n`
  const answer = await connection.ask(`${head.join('\r\n')}\r\n${length}`, [manifest.bytes])
  if (answer.status !== 201) throw new Error(answer.head)
  connection.close()
  return manifest.digest
}

const image = makeImage([makeLayer(100 * 1024), makeLayer(100 * 1024), makeLayer(2000)])
const accept = `Accept: ${image.manifest.mediaType}`

async function getMany({ port, line }: Read, path: string): Promise<Work> {
  const headers = ['-H', accept, ...(line === '' ? [] : ['-H', line.trim()])]
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, ...headers, `http://127.0.0.1:${port}${path}`]
  const said = await mustRun(getTool('wrk'), args)
  if (said.includes('Non-2xx')) throw new Error(said)
  const [, requests, took] = /(\d+) requests in ([\d.]+)s/.exec(said) ?? []
  return { amount: Number(requests), seconds: Number(took) }
}

async function headMany({ port, line }: Read, path: string): Promise<Work> {
  const request = `HEAD ${path} HTTP/1.1\r\nHost: bench\r\n${accept}\r\n${line}\r\n`
  const open = await Promise.all(Array.from({ length: connections }, () => LoadConnection.open(port)))
  let answers = 0
  const startedMs = performance.now()
  const endMs = startedMs + seconds * 1000
  await Promise.all(
    open.map(async (connection) => {
      while (performance.now() < endMs) {
        const answer = await connection.ask(request)
        if (answer.status !== 200) throw new Error(answer.head)
        answers += 1
      }
      connection.close()
    }),
  )
  return { amount: answers, seconds: (performance.now() - startedMs) / 1000 }
}

/** Where each side is read: the peer has one door; ours are read by builders at the registry and by users at the front door. */
async function listDoors(servers: readonly BenchServer[], name: string) {
  const ours = servers.find((server) => server.frontPort !== undefined)
  await ours?.run?.('promote', `${name}:latest`, '--to', 'stable')
  await ours?.run?.('publish', '--now')
  const at = async (server: BenchServer, port: number, isOpen: boolean): Promise<Read> => {
    return { server, name: server.name, port, line: isOpen ? '' : await server.authorize(name) }
  }
  const registry = await Promise.all(servers.map((server) => at(server, server.port, false)))
  const front = await Promise.all(servers.map((server) => at(server, server.frontPort ?? server.port, true)))
  return [
    { door: 'registry', reads: registry },
    { door: 'front door', reads: front },
  ]
}

export async function benchManifests(
  servers: readonly BenchServer[],
  rounds: number,
  say: (row: Row) => void,
): Promise<void> {
  const name = 'bench/manifests'
  let digest = ''
  for (const server of servers) digest = await pushImage(server, { name, authorization: await server.authorize(name) })
  const methods = [
    ['GET', getMany],
    ['HEAD', headMany],
  ] as const
  const references = [
    ['tag', 'latest'],
    ['digest', digest],
  ] as const
  for (const { door, reads } of await listDoors(servers, name)) {
    for (const [method, read] of methods) {
      for (const [by, reference] of references) {
        const path = `/v2/${name}/manifests/${reference}`
        const samples = await alternate(reads, rounds, (one) => takeSample(one.server.pid, () => read(one, path)))
        const what = `manifest ${method} by ${by}, at the ${door}`
        say(compareSpeed({ what, unit: 'req/s', goal: { ratio: 5 } }, samples))
      }
    }
  }
}
