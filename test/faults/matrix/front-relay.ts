// The proxy before the front door that gives a client an address of its own, and sees where it is sent. Real clients all come from
// the same loopback address; the front door believes this proxy and tells them apart.

/** What a client was answered for blobs, by the front door. */
export type RelayLog = {
  /** Where it was sent, whole addresses with their tickets. */
  readonly locations: Set<string>
  /** How often it asked for blobs. */
  asks: number
  /** Bytes of blobs of at least `largeBytes` that came through the front door. */
  frontBytes: number
}

/** What a table does to a client's hosts while it is on its way. */
export type RelayHooks = {
  /** Before the front door hears that a client asks for a blob. */
  readonly onAsk?: () => Promise<void>
  /** Before the client hears where it is sent. */
  readonly onRedirect?: (location: string) => Promise<void>
  /** What the client's network makes of where it is sent. */
  readonly reach?: (location: string) => string
}

const blobPath = /^\/v2\/.+\/blobs\//
const hopByHop = ['host', 'connection', 'keep-alive', 'te', 'upgrade', 'transfer-encoding']

export type RelayOptions = {
  readonly frontUrl: string
  readonly largeBytes: number
  /** PEM files of its own certificate: clients over https check those of the hosts as well. */
  readonly tls: { readonly cert: string; readonly key: string }
}

export class FrontRelay implements AsyncDisposable {
  readonly #options: RelayOptions
  readonly #server: Bun.Server<undefined>
  #address = '10.0.0.1'
  #log: RelayLog = { locations: new Set(), asks: 0, frontBytes: 0 }
  #hooks: RelayHooks = {}

  constructor(options: RelayOptions) {
    this.#options = options
    const { cert, key } = options.tls
    this.#server = Bun.serve({
      tls: { cert: Bun.file(cert), key: Bun.file(key) },
      hostname: '127.0.0.1',
      port: 0,
      idleTimeout: 255,
      fetch: (request) => this.#pass(request),
    })
  }

  /** `host:port` for image references. */
  get host(): string {
    return `127.0.0.1:${this.#server.port}`
  }

  /** The next client. Its log begins empty. */
  begin(address: string, hooks: RelayHooks = {}): RelayLog {
    this.#address = address
    this.#hooks = hooks
    this.#log = { locations: new Set(), asks: 0, frontBytes: 0 }
    return this.#log
  }

  async #pass(request: Request): Promise<Response> {
    const log = this.#log
    const hooks = this.#hooks
    const { pathname, search } = new URL(request.url)
    const headers = new Headers(request.headers)
    for (const name of hopByHop) headers.delete(name)
    headers.set('x-forwarded-for', this.#address)
    const isBlobAsk = request.method === 'GET' && blobPath.test(pathname)
    if (isBlobAsk) {
      log.asks++
      await hooks.onAsk?.()
    }
    const target = `${this.#options.frontUrl}${pathname}${search}`
    // A connection of its own for each: one that the front door has just closed would fail a request that nobody may repeat.
    const init = { method: request.method, headers, redirect: 'manual', decompress: false, keepalive: false } as const
    const answer = await fetch(target, init)
    const passed = new Headers(answer.headers)
    const location = answer.headers.get('location')
    if (location !== null && isBlobAsk) {
      log.locations.add(location)
      await hooks.onRedirect?.(location)
      passed.set('location', hooks.reach?.(location) ?? location)
      return new Response(null, { status: answer.status, headers: passed })
    }
    const size = Number(answer.headers.get('content-length') ?? 0)
    if (isBlobAsk && answer.ok && size >= this.#options.largeBytes) log.frontBytes += size
    return new Response(request.method === 'HEAD' ? null : answer.body, { status: answer.status, headers: passed })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true)
  }
}
