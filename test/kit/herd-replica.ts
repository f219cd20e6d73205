// A machine that copies a tree as the contract of the origin says, small enough that a hundred fit one process: it waits for a
// generation, asks the origin for each blob, goes where it is sent, waits when it is told to, and serves what it has.

import { setTimeout as pause } from 'node:timers/promises'
import { findFreePort } from './free-port.ts'
import { digestOf } from './images.ts'

export type HerdBlob = { readonly digest: string; readonly sizeBytes: number }

export type ReplicaOptions = {
  readonly name: string
  /** Of its own on the loopback; the origin sees it behind the proxy that we are. */
  readonly address: string
  readonly originUrl: string
  readonly connections: number
  /** What becomes of it as an upstream, as soon as another replica has copied a blob from it: it hangs up for good, or sends wrong bytes. */
  readonly fate?: Fate | undefined
  /** What came, so that the copies of all replicas are the same bytes in memory. */
  readonly bytes: Map<string, Uint8Array<ArrayBuffer>>
}

export type Fate = 'dies' | 'lies'

/** Bytes of blobs by who sent them. */
export type Received = { origin: number; hosts: number }

const maxAvoided = 8
/** By it a replica that is no good knows whom to fail: the crawl reads whole blobs as well. */
const agent = 'herd-replica'
const pathOf = (digest: string) => `/blobs/sha256/${digest.slice(7, 9)}/${digest.slice(7)}`

export class HerdReplica implements AsyncDisposable {
  readonly name: string
  readonly url: string
  readonly received: Received = { origin: 0, hosts: 0 }
  /** By digest, what the origin sent. */
  readonly fromOrigin = new Map<string, number>()
  readonly held = new Set<string>()
  /** Whole blobs that others copied from here. */
  served = 0
  /** Requests that were told to come again later, and now wait. */
  waiting = 0
  readonly #options: ReplicaOptions
  readonly #server: Bun.Server<undefined>
  readonly #headers: Record<string, string>
  /** Hosts that failed this replica, or lied to it. */
  readonly avoided = new Set<string>()

  static async start(options: ReplicaOptions): Promise<HerdReplica> {
    return new HerdReplica(options, await findFreePort(options.address))
  }

  private constructor(options: ReplicaOptions, port: number) {
    const { name, address } = options
    this.name = name
    this.#options = options
    this.#server = Bun.serve({ hostname: address, port, fetch: (request) => this.#serve(request) })
    this.url = `http://${address}:${port}`
    const id = digestOf(Buffer.from(name)).slice(7, 39)
    this.#headers = { 'x-forwarded-for': address, 'flotilla-replica': id, 'flotilla-host': name }
  }

  /** The next generation after this one, when it is this replica's turn. */
  async waitForNews(after: number, stop: AbortSignal): Promise<number> {
    const { originUrl } = this.#options
    for (;;) {
      const answer = await fetch(`${originUrl}/generations/next?after=${after}`, {
        headers: this.#headers,
        signal: stop,
        // It is held for longer than a client would wait by itself.
        timeout: false,
      } as RequestInit)
      if (answer.status === 200) {
        const { generation, afterSeconds } = (await answer.json()) as { generation: number; afterSeconds: number }
        await pause(afterSeconds * 1000)
        return generation
      }
      if (answer.status === 503) await this.#pauseAsTold(answer)
      else if (answer.status !== 204) throw new Error(`${answer.url}: ${answer.status} ${await answer.text()}`)
    }
  }

  async copy(blobs: readonly HerdBlob[], stop: AbortSignal): Promise<void> {
    const waiting = blobs.values()
    const work = async () => {
      for (const blob of waiting) await this.#fetchBlob(blob, stop)
    }
    await Promise.all(Array.from({ length: this.#options.connections }, work))
  }

  async #fetchBlob({ digest, sizeBytes }: HerdBlob, stop: AbortSignal): Promise<void> {
    for (;;) {
      stop.throwIfAborted()
      const avoid = this.avoided.size > 0 ? { 'flotilla-avoid': [...this.avoided].join() } : {}
      const headers = { ...this.#headers, ...avoid }
      const answer = await fetch(this.#options.originUrl + pathOf(digest), {
        headers,
        redirect: 'manual',
        signal: stop,
      })
      if (answer.status === 503 || answer.status === 429) {
        await this.#pauseAsTold(answer)
        continue
      }
      if (answer.status === 200) {
        const bytes = await readRight(answer, digest)
        if (!bytes) throw new Error(`the origin sent wrong bytes of ${digest}`)
        this.received.origin += sizeBytes
        this.fromOrigin.set(digest, (this.fromOrigin.get(digest) ?? 0) + 1)
        return this.#keep(digest, bytes)
      }
      if (answer.status !== 307) throw new Error(`${answer.url}: ${answer.status} ${await answer.text()}`)
      const bytes = await this.#fetchFrom(answer.headers.get('location')!, digest, stop)
      if (bytes) {
        this.received.hosts += sizeBytes
        return this.#keep(digest, bytes)
      }
      if (this.avoided.size < maxAvoided) this.avoided.add(answer.headers.get('flotilla-host')!)
    }
  }

  async #fetchFrom(
    location: string,
    digest: string,
    signal: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    try {
      const answer = await fetch(location, { redirect: 'error', headers: { 'user-agent': agent }, signal })
      return answer.status === 200 ? await readRight(answer, digest) : undefined
    } catch (error) {
      signal.throwIfAborted()
      return (error as Error).name === 'TypeError' || (error as { code?: string }).code
        ? undefined
        : Promise.reject(error)
    }
  }

  #keep(digest: string, bytes: Uint8Array<ArrayBuffer>): void {
    const { bytes: kept } = this.#options
    if (!kept.has(digest)) kept.set(digest, bytes)
    this.held.add(digest)
  }

  async #pauseAsTold(answer: Response): Promise<void> {
    await answer.arrayBuffer()
    this.waiting++
    try {
      await pause(Number(answer.headers.get('retry-after')) * 1000)
    } finally {
      this.waiting--
    }
  }

  #serve(request: Request): Response {
    const hex = new URL(request.url).pathname.split('/').at(-1)!
    const digest = `sha256:${hex}`
    const bytes = this.held.has(digest) ? this.#options.bytes.get(digest)! : undefined
    if (!bytes) return new Response('not here', { status: 404 })
    const { fate } = this.#options
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get('range') ?? '')
    if (!range) {
      if (request.headers.get('user-agent') !== agent) return new Response(bytes)
      this.served++
      if (fate === undefined || this.served === 1) return new Response(bytes)
      if (fate === 'dies') void this.#server.stop(true)
      return new Response(bytes.toReversed())
    }
    const first = Number(range[1])
    const last = Math.min(range[2] ? Number(range[2]) : bytes.length - 1, bytes.length - 1)
    const headers = { 'content-range': `bytes ${first}-${last}/${bytes.length}` }
    return new Response(bytes.subarray(first, last + 1), { status: 206, headers })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true)
  }
}

async function readRight(answer: Response, digest: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const bytes = new Uint8Array(await answer.arrayBuffer())
  return digestOf(bytes) === digest ? bytes : undefined
}
