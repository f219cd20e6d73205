// A million blobs and hosts that hold them, all of it arithmetic: for counting what the real classes ask of hosts in a day, on a clock
// that the test moves. No socket is opened; an answer is made from the number in a digest.

import type { BlobBody, ByteRange } from '#blobs/blob-store.ts'
import type { OutboundClient, OutboundRequest } from '#http/outbound/outbound-client.ts'
import { OutboundError } from '#http/outbound/outbound-error.ts'
import type { OutboundResponse } from '#http/outbound/send-request.ts'
import type { Digest } from '#oci/digest.ts'
import { timestampPath } from '#snapshots/tree-contents.ts'
import type { TreeBlob, TreeRecords } from '#stages/mirror/host-records.ts'
import type { BlobSource } from '#stages/mirror/sample-blob.ts'

export const paperBlobs = 1_000_000
const oldGenerations = 1_000
const sizeBytes = 1024 * 1024

/** Scattered first, so that digests look like digests; then the number itself. */
function digestOf(n: number): string {
  return `sha256:${(Math.imul(n, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0')}${n.toString(16).padStart(56, '0')}`
}

function numberOf(digest: string): number {
  return Number.parseInt(digest.slice(-12), 16)
}

/** Byte i of blob n is (31 n + 7 i) mod 256: a piece of one row, cut where that begins (183 is 7 to the -1). */
const row = Uint8Array.from({ length: sizeBytes + 256 }, (_, k) => (k * 7) & 255)

function bytesOf(n: number, { first, last }: ByteRange): Uint8Array {
  const begin = (n * 31 * 183 + first) % 256
  return row.subarray(begin, begin + last - first + 1)
}

function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      if (bytes.length > 0) controller.enqueue(bytes)
      controller.close()
    },
  })
}

/** A tree that gains some blobs with each generation. */
export class PaperTree {
  readonly records: TreeRecords
  readonly source: BlobSource = {
    open: async (digest: Digest, range?: ByteRange): Promise<BlobBody> => {
      const bytes = bytesOf(numberOf(digest), range ?? { first: 0, last: sizeBytes - 1 })
      return {
        sizeBytes: bytes.length,
        file: undefined,
        stream: () => streamOf(bytes),
        [Symbol.asyncDispose]: async () => undefined,
      }
    },
    verify: async () => 'good',
  }
  readonly #perGeneration: number

  constructor(perGeneration: number) {
    this.#perGeneration = perGeneration
    const { countAt, blobAt } = this
    this.records = {
      async *listBlobs(_, after, upTo) {
        for (let n = countAt(after); n < countAt(upTo); n++) yield blobAt(n)
      },
      findBlob: async (_, digest) => blobAt(numberOf(digest)),
      pickBlob: async (_, upTo, random) => blobAt(Math.floor(random * countAt(upTo))),
    }
  }

  /** Blobs up to a generation. */
  countAt = (generation: number): number =>
    generation <= oldGenerations
      ? Math.floor((generation * paperBlobs) / oldGenerations)
      : paperBlobs + (generation - oldGenerations) * this.#perGeneration

  blobAt = (n: number): TreeBlob => {
    const generation =
      n < paperBlobs
        ? Math.floor((n * oldGenerations) / paperBlobs) + 1
        : oldGenerations + 1 + Math.floor((n - paperBlobs) / this.#perGeneration)
    return { digest: digestOf(n), sizeBytes, generation }
  }
}

export const firstGeneration = oldGenerations

export type PaperHost = {
  readonly name: string
  /** Whether it answers at all. */
  readonly isUp: (nowMs: number) => boolean
  /** The generation that it has copied. */
  readonly generationAt: (nowMs: number) => number
  /** Whether its tree says so (metadata/timestamp.json). */
  readonly hasHint?: boolean
  /** Never held. */
  readonly isLacking?: (n: number) => boolean
  readonly families?: readonly (4 | 6)[]
  /** Compresses what it sends. */
  readonly isEncoding?: boolean
}

/** Requests by host name and by who asks. */
export type Requests = Map<string, Record<'liveness' | 'crawl' | 'front doors', number>>

/** The one way out of the real classes: hosts are named by the first label of their URL. */
export class PaperWire {
  readonly requests: Requests = new Map()
  readonly #hosts: ReadonlyMap<string, PaperHost>
  readonly #tree: PaperTree
  readonly #now: () => number

  constructor(hosts: readonly PaperHost[], tree: PaperTree, now: () => number) {
    this.#hosts = new Map(hosts.map((host) => [host.name, host]))
    this.#tree = tree
    this.#now = now
    for (const { name } of hosts) this.requests.set(name, { liveness: 0, crawl: 0, 'front doors': 0 })
  }

  clientOf(who: 'liveness' | 'crawl' | 'front doors'): OutboundClient {
    const send = async (asked: OutboundRequest) => {
      const { hostname, pathname } = new URL(asked.url)
      const name = hostname.split('.')[0]!
      this.requests.get(name)![who]++
      return this.#answer(this.#hosts.get(name)!, pathname.slice(1), asked)
    }
    // Only `send` is used of it.
    return { send } as Pick<OutboundClient, 'send'> as OutboundClient
  }

  #answer(host: PaperHost, path: string, asked: OutboundRequest): OutboundResponse {
    const { families = [4] } = host
    const family = asked.family ?? families[0]!
    if (!families.includes(family)) throw new OutboundError('unreachable', `${asked.url}: no address`)
    if (!host.isUp(this.#now())) throw new OutboundError('refused', `${asked.url}: refused`)
    const answer = (
      status: number,
      headers: Record<string, string>,
      body: Uint8Array = new Uint8Array(),
    ): OutboundResponse => ({
      status,
      header: (name) => headers[name],
      url: asked.url,
      address: '192.0.2.1',
      family,
      firstByteMs: 20,
      certificateUntilMs: undefined,
      body: streamOf(body),
    })
    const generation = host.generationAt(this.#now())
    if (path === timestampPath && host.hasHint)
      return answer(200, {}, new TextEncoder().encode(JSON.stringify({ signed: { flotilla: { generation } } })))
    if (!path.startsWith('blobs/')) return answer(404, {})
    const n = numberOf(path)
    const blob = this.#tree.blobAt(n)
    if (blob.generation > generation || host.isLacking?.(n)) return answer(404, {})
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(asked.headers?.range ?? '') ?? []
    const encoding: Record<string, string> = host.isEncoding ? { 'content-encoding': 'gzip' } : {}
    if (first === undefined) return answer(200, { ...encoding, 'content-length': String(blob.sizeBytes) })
    const range = { first: Number(first), last: Number(last) }
    const told = { 'content-range': `bytes ${first}-${last}/${blob.sizeBytes}` }
    return answer(206, { ...encoding, ...told }, bytesOf(n, range))
  }
}
