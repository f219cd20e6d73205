// Layers of three sizes pushed and pulled over four connections, as clients do, and the memory that eight huge ones cost.

import { alternate, compareCost, compareSpeed, type Row, takeSample } from './comparison.ts'
import { type BenchLayer, makeBenchLayer } from './layers.ts'
import { LoadConnection } from './load-connection.ts'
import { type PushWay, pullLayer, pushLayer, type Repository, timeAll } from './push.ts'
import { type BenchServer, peakMemory, resetPeakMemory } from './servers.ts'

const mebibyte = 1024 * 1024

const sizes = [
  { label: '1 MiB', sizeBytes: mebibyte, count: 96 },
  { label: '10 MiB', sizeBytes: 10 * mebibyte, count: 12 },
  { label: '100 MiB', sizeBytes: 100 * mebibyte, count: 4 },
]

type Open = { readonly connections: LoadConnection[]; readonly repository: Repository }

async function open(server: BenchServer, name: string, count: number): Promise<Open> {
  const connections = await Promise.all(Array.from({ length: count }, () => LoadConnection.open(server.port)))
  return { connections, repository: { name, authorization: await server.authorize(name) } }
}

async function withOpen<T>(server: BenchServer, count: number, act: (open: Open) => Promise<T>): Promise<T> {
  const opened = await open(server, 'bench/layers', count)
  try {
    return await act(opened)
  } finally {
    for (const connection of opened.connections) connection.close()
  }
}

function pushAll(server: BenchServer, layers: readonly BenchLayer[], way: PushWay, connections = 4): Promise<number> {
  return withOpen(server, connections, (opened) =>
    timeAll(opened.connections, layers, (connection, layer) => pushLayer(connection, opened.repository, layer, way)),
  )
}

function pullAll(server: BenchServer, layers: readonly BenchLayer[]): Promise<number> {
  return withOpen(server, 4, (opened) =>
    timeAll(opened.connections, layers, (connection, layer) => pullLayer(connection, opened.repository, layer)),
  )
}

const total = (layers: readonly BenchLayer[]) => layers.reduce((sum, layer) => sum + layer.sizeBytes, 0) / mebibyte

export async function benchPushPull(
  servers: readonly BenchServer[],
  rounds: number,
  say: (row: Row) => void,
): Promise<void> {
  for (const { label, sizeBytes, count } of sizes) {
    const make = () => Array.from({ length: count }, () => makeBenchLayer(sizeBytes))
    for (const way of ['PUT', 'PATCH'] as const) {
      const samples = await alternate(servers, rounds, (server) => {
        const layers = make()
        return takeSample(server.pid, async () => ({
          amount: total(layers),
          seconds: await pushAll(server, layers, way),
        }))
      })
      const what = `push ${label}, POST ${way === 'PATCH' ? '+ PATCH ' : ''}+ PUT`
      say(compareSpeed({ what, unit: 'MiB/s', goal: { ratio: 1.5 } }, samples))
    }
    const kept = make()
    for (const server of servers) await pushAll(server, kept, 'PUT')
    const asked = Array.from({ length: 3 }, () => kept).flat()
    const samples = await alternate(servers, rounds, (server) =>
      takeSample(server.pid, async () => ({ amount: total(asked), seconds: await pullAll(server, asked) })),
    )
    say(compareSpeed({ what: `pull ${label}`, unit: 'MiB/s', goal: { ratio: 1.2 } }, samples))
  }
}

export async function benchMemory(servers: readonly BenchServer[], say: (row: Row) => void): Promise<void> {
  const layers = Array.from({ length: 8 }, () => makeBenchLayer(1024 * mebibyte))
  const samples = await alternate(servers, 1, async (server) => {
    resetPeakMemory(server.pid)
    await pushAll(server, layers, 'PATCH', 8)
    return peakMemory(server.pid) / mebibyte
  })
  say(compareCost({ what: 'peak memory, eight 1 GiB layers at once', unit: 'MiB', goal: { atMost: 150 } }, samples))
}
