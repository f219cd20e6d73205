// A blob that comes through here: read from one source after the other, passed on as the client takes it, and hashed on its way. The last
// piece is held back until the whole has its digest, so that wrong bytes are never a whole layer: the client sees a cut.
//
//   blob     |---------- sent, hashed ----------|---- held ----|........ still to come ........|
//            0                                sentBytes     reachedBytes                  sizeBytes
//
// When a source breaks, the next one goes on from `reachedBytes`. When the whole is wrong, what is held is dropped and read again from
// the next source; that saves the client whenever the wrong bytes were among those, and all of them were while nothing has been sent.
// A small blob waits whole: the client hears nothing before it is right.
import { createHash } from 'node:crypto'
import type { StoredBody } from '#http/answer.ts'
import { algorithmOf, type Digest, hexOf } from '#oci/digest.ts'
import type { Candidate } from '#snapshots/index-placement.ts'
import { SourceFailed, type StreamedBytes, type StreamSource } from './stream-source.ts'

export type StreamWatch = {
  /** A host did not bring what it had begun, or began nothing. */
  failed(host: Candidate, why: SourceFailed): void
  /** One goes on where another broke, or begins after another that did not. */
  opened(source: StreamSource, first: number, isFirst: boolean): void
  read(source: StreamSource, bytes: number): void
  /** Of these one or more sent wrong bytes, among what was sent on or not. */
  wrong(hosts: readonly Candidate[], isSent: boolean): void
  /** Once. unbegun: no head came. cut: the client was promised more. */
  ended(sentBytes: number, fate: 'whole' | 'cut' | 'unbegun'): void
}

export type StreamedBlobParts = {
  readonly blob: { readonly digest: Digest; readonly sizeBytes: number }
  /** In the order in which they are asked, each once; one of them has to begin. */
  readonly sources: readonly StreamSource[]
  /** Asked after them, once it has begun. */
  readonly lastly: readonly StreamSource[]
  readonly holdBackBytes: number
  /** For so long all of it is held back instead, until it is right. 0: not at all. */
  readonly wholeMs: number
  readonly watch: StreamWatch
}

/** A client that took nothing for so long may itself be why its host hung up. */
const pauseMs = 5_000

/** Who sent the bytes from `first` on. */
type Part = { readonly source: StreamSource; readonly first: number }

/** An end of the blob that was held back and did not make it right; whether it was wrong itself is known when a right one is. */
type Dropped = { readonly hosts: readonly Candidate[]; readonly digest: string }

export class StreamedBlob implements StoredBody {
  readonly sizeBytes: number
  readonly file = undefined
  readonly #blob: StreamedBlobParts['blob']
  readonly #holdBackBytes: number
  readonly #wholeUntil: number
  readonly #watch: StreamWatch
  readonly #left: StreamSource[]
  readonly #lastly: readonly StreamSource[]
  readonly #hash
  readonly #held: Uint8Array[] = []
  #heldBytes = 0
  #sentBytes = 0
  #bytes: StreamedBytes | undefined
  #parts: Part[] = []
  readonly #dropped: Dropped[] = []
  readonly #gone = new AbortController()
  #isBegun = false
  #isWhole = false
  #isOver = false
  #isPaused = false
  #takenAt = performance.now()

  constructor({ blob, sources, lastly, holdBackBytes, wholeMs, watch }: StreamedBlobParts) {
    this.sizeBytes = blob.sizeBytes
    this.#blob = blob
    this.#left = [...sources]
    this.#lastly = lastly
    // Without any a whole layer could leave before it is checked.
    this.#holdBackBytes = Math.max(1, holdBackBytes)
    this.#wholeUntil = performance.now() + wholeMs
    this.#watch = watch
    this.#hash = createHash(algorithmOf(blob.digest))
  }

  /** False: no source brought the head of an answer, and nothing is lost by answering in another way. */
  async start(): Promise<boolean> {
    const isOpen = await this.#openNext(0).catch((error) => {
      // Its place in the budget comes back whatever broke.
      this.end()
      throw error
    })
    if (isOpen) this.#left.push(...this.#lastly)
    else this.end()
    return isOpen
  }

  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const chunk = await this.#next()
          if (chunk) controller.enqueue(chunk)
          else controller.close()
        },
        cancel: () => this.end(),
      },
      { highWaterMark: 0 },
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end()
  }

  /** The client is gone, or has everything. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#gone.abort()
    this.#bytes?.close()
    this.#held.length = 0
    const isAllSent = this.#isWhole && this.#sentBytes === this.sizeBytes
    this.#watch.ended(this.#sentBytes, isAllSent ? 'whole' : this.#isBegun ? 'cut' : 'unbegun')
  }

  async #next(): Promise<Uint8Array | undefined> {
    if (performance.now() - this.#takenAt > pauseMs) this.#isPaused = true
    try {
      for (;;) {
        if (this.#isOver) throw new Error('the client is gone')
        const chunk = this.#release()
        if (chunk) return chunk
        if (this.#isWhole) {
          this.end()
          return undefined
        }
        if (this.#sentBytes + this.#heldBytes === this.sizeBytes) this.#check()
        else await this.#read()
      }
    } catch (error) {
      this.end()
      throw error
    } finally {
      this.#takenAt = performance.now()
    }
  }

  #release(): Uint8Array | undefined {
    const first = this.#held[0]
    // Once its end was wrong nothing more leaves on trust.
    const canLeave = this.#isWhole || (this.#dropped.length === 0 && this.#isMoreThanHeld(first))
    if (!first || !canLeave) return undefined
    this.#held.shift()
    this.#heldBytes -= first.length
    this.#sentBytes += first.length
    if (!this.#isWhole) this.#hash.update(first)
    return first
  }

  #isMoreThanHeld(first: Uint8Array | undefined): boolean {
    if (this.#heldBytes - (first?.length ?? 0) < this.#holdBackBytes) return false
    // Nothing can be taken back, so once something was sent the rest need not wait.
    return this.#sentBytes > 0 || performance.now() >= this.#wholeUntil
  }

  async #read(): Promise<void> {
    const reachedBytes = this.#sentBytes + this.#heldBytes
    if (!this.#bytes && !(await this.#openNext(reachedBytes))) {
      if (this.#dropped.length > 0) this.#lose([...this.#dropped.flatMap(({ hosts }) => hosts), ...this.#senders(0)])
      throw new Error(`no source has ${this.#blob.digest} from byte ${reachedBytes} on`)
    }
    try {
      const chunk = await this.#bytes!.next()
      if (!chunk || reachedBytes + chunk.length > this.sizeBytes)
        throw new SourceFailed(true, `sent ${chunk ? 'more' : 'fewer'} bytes than it said`)
      if (chunk.length === 0) return
      this.#watch.read(this.#parts.at(-1)!.source, chunk.length)
      this.#held.push(chunk)
      this.#heldBytes += chunk.length
    } catch (error) {
      const { host } = this.#parts.at(-1)!.source
      this.#closeSource()
      if (!(error instanceof SourceFailed)) throw error
      if (host && !this.#isOver && !this.#isPaused) this.#watch.failed(host, error)
    }
  }

  /** False: there is none left. */
  async #openNext(first: number): Promise<boolean> {
    for (let source = this.#left.shift(); source && !this.#isOver; source = this.#left.shift()) {
      try {
        this.#bytes = await source.open(first, this.#gone.signal)
        if (this.#isOver) this.#bytes.close()
        this.#isPaused = false
        this.#watch.opened(source, first, !this.#isBegun)
        this.#isBegun = true
        this.#parts.push({ source, first })
        return true
      } catch (error) {
        if (!(error instanceof SourceFailed)) throw error
        if (source.host && !this.#isOver) this.#watch.failed(source.host, error)
      }
    }
    return false
  }

  #closeSource(): void {
    this.#bytes?.close()
    this.#bytes = undefined
  }

  /** All is here: right, or its end is to be read again. */
  #check(): void {
    const whole = this.#hash.copy()
    const end = createHash(algorithmOf(this.#blob.digest))
    for (const chunk of this.#held) {
      whole.update(chunk)
      end.update(chunk)
    }
    const endDigest = end.digest('hex')
    this.#closeSource()
    this.#isWhole = whole.digest('hex') === hexOf(this.#blob.digest)
    if (this.#isWhole) this.#judgeDropped(endDigest)
    else this.#drop(endDigest)
  }

  #drop(digest: string): void {
    const hosts = this.#senders(this.#sentBytes)
    const last = this.#parts.at(-1)!.source
    if (hosts.length === 0 && this.#sentBytes > 0) {
      // Our own bytes are right, so the wrong ones are among those that were sent.
      this.#judgeDropped(digest)
      this.#lose(this.#senders(0))
    }
    this.#dropped.push({ hosts, digest })
    if (!last.host && hosts.length > 0) this.#left.unshift(last)
    this.#held.length = 0
    this.#heldBytes = 0
    this.#parts = this.#parts.filter(({ first }) => first < this.#sentBytes)
  }

  #judgeDropped(rightDigest: string): void {
    for (const { hosts, digest } of this.#dropped) {
      if (digest !== rightDigest && hosts.length > 0) this.#watch.wrong(hosts, false)
    }
  }

  #lose(hosts: readonly Candidate[]): never {
    this.#watch.wrong([...new Set(hosts)], this.#sentBytes > 0)
    throw new Error(`${this.#blob.digest} came with other bytes, and ${this.#sentBytes} of them were sent: cut off`)
  }

  /** Hosts that sent any byte from `first` on. */
  #senders(first: number): readonly Candidate[] {
    const hosts: Candidate[] = []
    this.#parts.forEach((part, i) => {
      const end = this.#parts[i + 1]?.first ?? this.sizeBytes
      if (part.source.host && end > first && end > part.first) hosts.push(part.source.host)
    })
    return hosts
  }
}
