// The two ways in which clients push a layer, on a connection that stays open.

import { asChunks, type BenchLayer } from './layers.ts'
import { headerOf, type LoadAnswer, type LoadConnection } from './load-connection.ts'

export type PushWay = 'PUT' | 'PATCH'

function must(answer: LoadAnswer, status: number): LoadAnswer {
  if (answer.status !== status) throw new Error(`expected ${status}:\n${answer.head}`)
  return answer
}

function uploadTarget(answer: LoadAnswer): string {
  return headerOf(answer, 'location').replace(/^https?:\/\/[^/]+/, '')
}

export type Repository = { readonly name: string; readonly authorization: string }

export async function pushLayer(
  connection: LoadConnection,
  { name, authorization }: Repository,
  layer: BenchLayer,
  way: PushWay,
): Promise<void> {
  const head = (method: string, target: string, more: string) =>
    `${method} ${target} HTTP/1.1\r\nHost: bench\r\n${authorization}Content-Type: application/octet-stream\r\n${more}\r\n`
  const empty = 'Content-Length: 0\r\n'
  let target = uploadTarget(must(await connection.ask(head('POST', `/v2/${name}/blobs/uploads/`, empty)), 202))
  if (way === 'PATCH') {
    const streamed = connection.ask(head('PATCH', target, 'Transfer-Encoding: chunked\r\n'), asChunks(layer.pieces()))
    target = uploadTarget(must(await streamed, 202))
  }
  const end = `${target}${target.includes('?') ? '&' : '?'}digest=${layer.digest}`
  const last = way === 'PATCH' ? empty : `Content-Length: ${layer.sizeBytes}\r\n`
  must(await connection.ask(head('PUT', end, last), way === 'PATCH' ? [] : layer.pieces()), 201)
}

export async function pullLayer(
  connection: LoadConnection,
  { name, authorization }: Repository,
  layer: BenchLayer,
): Promise<void> {
  const request = `GET /v2/${name}/blobs/${layer.digest} HTTP/1.1\r\nHost: bench\r\n${authorization}\r\n`
  const answer = must(await connection.ask(request), 200)
  if (answer.bodyBytes !== layer.sizeBytes) throw new Error(`${answer.bodyBytes} of ${layer.sizeBytes} bytes came`)
}

/** Shares work out over connections until none is left; resolves to the seconds it took. */
export async function timeAll<T>(
  connections: readonly LoadConnection[],
  work: readonly T[],
  act: (connection: LoadConnection, one: T) => Promise<void>,
): Promise<number> {
  const waiting = [...work]
  const startedMs = performance.now()
  await Promise.all(
    connections.map(async (connection) => {
      for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) await act(connection, one)
    }),
  )
  return (performance.now() - startedMs) / 1000
}
