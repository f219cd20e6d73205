// Answers under way to replicas: how many in all and to each, what went out of each, and an end for those whose other side stopped
// reading. Users are in none of these books.

/** Of all answers, at most this part goes to one network: names cost nothing, so one machine could have as many as it likes. */
const networkShare = 0.5

export type StreamAsker = { readonly key: string; readonly network: number }

export type StreamOptions = {
  readonly streams: number
  readonly streamsEach: number
  /** One that nobody reads from for this long is cut off. */
  readonly stallMs: number
}

export type StreamWatch = StreamAsker & {
  readonly bytes: number
  readonly onBytes: (bytes: number, nowMs: number) => void
  /** Once, with what was not sent: 0 when it came to its end. */
  readonly onEnd: (unsentBytes: number) => void
}

export class ReplicaStreams {
  readonly #options: StreamOptions
  readonly #now: () => number
  readonly #open = new Set<ReplicaStream>()
  readonly #byReplica = new Map<string, number>()
  readonly #byNetwork = new Map<number, number>()

  constructor(options: StreamOptions, now: () => number) {
    this.#options = options
    this.#now = now
  }

  get count(): number {
    return this.#open.size
  }

  /** Why there is no room for one more; undefined: there is. */
  isFull({ key, network }: StreamAsker): 'in all' | 'for this replica' | undefined {
    const { streams, streamsEach } = this.#options
    if ((this.#byReplica.get(key) ?? 0) >= streamsEach) return 'for this replica'
    const isNetworkFull = (this.#byNetwork.get(network) ?? 0) >= Math.ceil(streams * networkShare)
    return isNetworkFull || this.#open.size >= streams ? 'in all' : undefined
  }

  open(watch: StreamWatch): ReplicaStream {
    const { key, network } = watch
    change(this.#byReplica, key, 1)
    change(this.#byNetwork, network, 1)
    const stream = new ReplicaStream(watch, this.#now, () => {
      this.#open.delete(stream)
      change(this.#byReplica, key, -1)
      change(this.#byNetwork, network, -1)
    })
    this.#open.add(stream)
    return stream
  }

  cutStalled(nowMs: number): void {
    for (const stream of this.#open) if (nowMs - stream.lastMs >= this.#options.stallMs) stream.cut()
  }
}

function change<Key>(counts: Map<Key, number>, key: Key, by: number): void {
  const count = (counts.get(key) ?? 0) + by
  if (count > 0) counts.set(key, count)
  else counts.delete(key)
}

export class ReplicaStream {
  readonly #watch: StreamWatch
  readonly #now: () => number
  readonly #close: () => void
  #sentBytes = 0
  #isOver = false
  lastMs: number
  /** Breaks the transfer off; set by who sends it. */
  onCut: () => void = () => undefined

  constructor(watch: StreamWatch, now: () => number, close: () => void) {
    this.#watch = watch
    this.#now = now
    this.#close = close
    this.lastMs = now()
  }

  /** The last byte ends it: its receiver may ask for the next blob before we see the end of the body. */
  add(bytes: number): void {
    if (this.#isOver) return
    this.lastMs = this.#now()
    this.#sentBytes += bytes
    this.#watch.onBytes(bytes, this.lastMs)
    if (this.#sentBytes >= this.#watch.bytes) this.end()
  }

  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#close()
    this.#watch.onEnd(Math.max(0, this.#watch.bytes - this.#sentBytes))
  }

  cut(): void {
    this.end()
    this.onCut()
  }
}
