// Everything that the network may bring, at the real listener of a front door in a process of its own, by the ten thousand. Of each
// answer: well formed to the letter, no failure of ours, nothing of the request in its head, nobody sent to a stranger.
//
// FLOTILLA_FUZZ_REQUESTS=1000000 FLOTILLA_FUZZ_SEED=7 repeat a longer run.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { connect } from 'node:net'
import { blobPath } from '#oci/digest.ts'
import { digestOf, largeConfig, layer } from '../kit/front-door.ts'
import { HostileRequests, mark } from '../kit/hostile-requests.ts'
import { type HostileTarget, startHostileTarget } from '../kit/hostile-target.ts'
import { seeded } from '../kit/seeded.ts'
import { readAnswers } from '../kit/strict-answers.ts'
import { ask } from '../kit/wire.ts'

const requests = Number(process.env.FLOTILLA_FUZZ_REQUESTS ?? 50_000)
const seed = Number(process.env.FLOTILLA_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))
const layerDigest = digestOf(layer)
const connectionsAtOnce = 24
/** Of the collector's own habits; what would grow with requests grows by far more in a long run. */
const mostGrowthBytes = 200 * 1024 * 1024

let target: HostileTarget
beforeAll(async () => {
  target = await startHostileTarget()
})
afterAll(() => target[Symbol.asyncDispose]())

/** Sends the pieces and FIN, and gives what came until the server closed. */
function exchange(bytes: Buffer, cuts: readonly number[]): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect({ port: target.port, host: '127.0.0.1', noDelay: true })
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    // What is sent after a refusal may be reset; what came before counts all the same.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') reject(error)
    })
    socket.on('close', () => resolve(Buffer.concat(chunks)))
    const pieces = [...cuts, bytes.length].map((end, i) => bytes.subarray(i === 0 ? 0 : cuts[i - 1], end))
    const sendNext = () => {
      const piece = pieces.shift()
      if (piece === undefined) socket.end()
      else socket.write(piece, () => setImmediate(sendNext))
    }
    socket.on('connect', sendNext)
  })
}

const mayBe = [200, 206, 304, 307, 400, 403, 404, 405, 408, 414, 416, 417, 429, 431, 505]

function check(received: Buffer, asked: number, statuses: Map<number, number>): number {
  const answers = readAnswers(received)
  // One more is a refusal of what follows the last.
  if (answers.length > asked + 1) throw new Error(`${answers.length} answers to ${asked} requests`)
  for (const { status, head, headers } of answers) {
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
    if (!mayBe.includes(status)) throw new Error(`status ${status}`)
    if (head.includes(mark)) throw new Error(`a byte of the request is in the head:\n${head}`)
    const location = headers.get('location')
    if ((location !== undefined) !== (status === 307)) throw new Error(`a location with ${status}`)
    if (location !== undefined) {
      const address = `${target.hostUrl}/${blobPath(layerDigest)}?t=`
      if (!location.startsWith(address) || !/^[\w-]+$/.test(location.slice(address.length)))
        throw new Error(`sent to ${location}`)
    }
  }
  return answers.length
}

test(`${requests} hostile requests, seed ${seed}`, async () => {
  console.log(`hostile requests: FLOTILLA_FUZZ_REQUESTS=${requests} FLOTILLA_FUZZ_SEED=${seed}`)
  const hostile = new HostileRequests(seeded(seed))
  const statuses = new Map<number, number>()
  let answered = 0
  let before = 0
  const work = async () => {
    while (answered < requests) {
      const { bytes, cuts } = hostile.connection()
      if (before === 0 && answered > requests / 10) before = target.residentBytes()
      const received = await exchange(bytes, cuts)
      try {
        // Bending may double a request: what counts is how often the word stands there.
        answered += check(received, bytes.toString('latin1').split('HTTP/').length, statuses)
      } catch (error) {
        const said = `${JSON.stringify(bytes.toString('latin1'))}\n${JSON.stringify(received.toString('latin1').slice(0, 2000))}`
        throw new Error(`${(error as Error).message}\nseed ${seed}, sent ${said}`)
      }
    }
  }
  await Promise.all(Array.from({ length: connectionsAtOnce }, work))
  const growth = target.residentBytes() - before
  const told = [...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`)
  console.log(
    `${answered} requests were answered; ${told.join(', ')}; memory grew by ${(growth / 2 ** 20).toFixed(1)} MiB`,
  )
  // The grammar reaches every kind of answer.
  for (const status of [200, 206, 304, 307, 400, 403, 404, 405, 414, 416, 417, 431, 505]) {
    expect(statuses.get(status) ?? 0, `answers ${status}`).toBeGreaterThan(0)
  }
  expect(growth).toBeLessThan(mostGrowthBytes)
  expect(target.process.isRunning()).toBe(true)
  const logged = target.logged()
  expect(logged.filter((line) => !line.includes('a connection of the proxy'))).toEqual([])
  const good = await ask(target, `GET /v2/fedora/base/blobs/${digestOf(largeConfig)} HTTP/1.1\nHost: x\n\n`)
  expect([good.status, good.body.equals(largeConfig)]).toEqual([200, true])
}, 3_600_000)
