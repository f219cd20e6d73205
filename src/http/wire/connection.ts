// One client: requests in, answers out, strictly in order.
//
//   reading --head--> handler --Answer--> reading             (answers that are whole in memory)
//                        |--Promise--> held --> reading        (pipelined bytes wait; a client that hangs up is noticed)
//                        '--stored body--> sending --> reading
//   any --refusal, `close`, FIN--> lingering --> closed
import { type Answer, type Ask, answerError, refuse } from '#http/answer.ts'
import { isStored } from '#http/listener.ts'
import type { WireLimits } from './limits.ts'
import { Outbox, type WireSocket } from './outbox.ts'
import { Refusal, readHead } from './read-head.ts'
import { dispose, lengthOf, sendStored, sendStream } from './send-body.ts'
import type { WireAsk } from './wire-ask.ts'
import { writeHead } from './write-head.ts'

/** What the connections of one listener share. */
export type Shared = {
  readonly handler: (ask: Ask) => Answer | Promise<Answer>
  readonly limits: WireLimits
  readonly log: (error: unknown) => void
  readonly isTls: boolean
  /** Of a clock that nobody sets. Coarse: advanced by the sweep. */
  nowMs: number
  /** The whole Date field, of the same age. */
  date: string
  isDraining: boolean
}

type State = 'reading' | 'held' | 'sending' | 'lingering' | 'closed'

const nothing = Buffer.alloc(0)

export class Connection {
  readonly peer: string
  readonly isTls: boolean
  readonly limits: WireLimits
  readonly #socket: WireSocket
  readonly #shared: Shared
  readonly #outbox: Outbox
  #state: State = 'reading'
  /** When the present state has lasted too long; 0: never. */
  #deadlineMs = 0
  #requests = 0
  #unread: Buffer = nothing
  #isPaused = false
  #mustClose = false
  #pending: WireAsk | undefined

  constructor(socket: WireSocket, shared: Shared, client: { readonly peer: string; readonly isTls: boolean }) {
    this.peer = client.peer
    this.isTls = client.isTls
    this.limits = shared.limits
    this.#socket = socket
    this.#shared = shared
    this.#outbox = new Outbox(socket, () => this.#allow(this.limits.sendStallMs))
    this.#allow(this.limits.headerTimeoutMs)
  }

  #allow(ms: number): void {
    this.#deadlineMs = this.#shared.nowMs + ms
  }

  onData(chunk: Buffer): void {
    if (this.#state === 'lingering' || this.#state === 'closed') return
    const isBusy = this.#state !== 'reading' || this.#outbox.isBlocked
    if (!isBusy && this.#unread.length === 0) {
      this.#read(chunk)
      return
    }
    this.#unread = Buffer.concat([this.#unread, chunk])
    if (!isBusy) this.#readPieces(chunk.length)
    else if (this.#unread.length > this.limits.maxPipelinedBytes && !this.#isPaused) {
      this.#isPaused = true
      this.#socket.pause()
    }
  }

  /** A head that comes in pieces is parsed once, when its end is there: a trickle costs no more than its bytes. */
  #readPieces(added: number): void {
    const { maxHeadBytes, maxRequestLineBytes } = this.limits
    const bytes = this.#unread
    const from = Math.max(0, bytes.length - added - 3)
    const isLineTooLong = bytes.length > maxRequestLineBytes && !bytes.subarray(0, maxRequestLineBytes).includes(10)
    if (bytes.indexOf('\r\n\r\n', from) >= 0 || bytes.length > maxHeadBytes || isLineTooLong) {
      this.#read(bytes)
      return
    }
    for (let newline = bytes.indexOf(10, from); newline >= 0; newline = bytes.indexOf(10, newline + 1)) {
      if (bytes[newline - 1] === 13) continue
      this.#refuse(new Refusal(400, 'REQUEST_INVALID', 'a line feed stands alone'))
      return
    }
  }

  #read(bytes: Buffer): void {
    let at = 0
    while (at < bytes.length && this.#state === 'reading' && !this.#outbox.isBlocked) {
      const ask = readHead(bytes, at, this)
      if (ask instanceof Refusal) {
        this.#refuse(ask)
        return
      }
      if (ask === undefined) break
      at = ask.end
      this.#serve(ask)
    }
    if (this.#state === 'lingering' || this.#state === 'closed') return
    const isNew = this.#unread.length === 0 || at > 0
    this.#unread = at < bytes.length ? bytes.subarray(at) : nothing
    this.#outbox.flush()
    if (this.#unread.length === 0 || this.#state !== 'reading' || this.#outbox.isBlocked) return
    if (this.#unread.length > this.limits.maxHeadBytes) {
      this.#refuse(new Refusal(431, 'REQUEST_INVALID', 'the head is too long'))
    } else if (isNew && this.#requests > 0) this.#allow(this.limits.headerTimeoutMs)
  }

  #serve(ask: WireAsk): void {
    this.#requests++
    const isLast = this.#requests >= this.limits.maxRequestsPerConnection
    if (!ask.isKeptAlive || isLast || this.#shared.isDraining) this.#mustClose = true
    let answer: Answer | Promise<Answer>
    try {
      answer = this.#shared.handler(ask)
    } catch (error) {
      answer = answerError(error, this.#shared.log)
    }
    if (!(answer instanceof Promise)) {
      this.#answer(ask, answer)
      return
    }
    this.#state = 'held'
    this.#pending = ask
    this.#deadlineMs = 0
    void answer
      .catch((error) => answerError(error, this.#shared.log))
      .then((later) => {
        if (this.#state === 'closed') {
          dispose(later.body)
          return
        }
        this.#state = 'reading'
        if (this.#shared.isDraining) this.#mustClose = true
        this.#answer(ask, later)
        this.#goOn()
      })
  }

  /** Reads what came meanwhile; whatever waits to be written leaves here. */
  #goOn(): void {
    if (this.#state === 'reading' && !this.#outbox.isBlocked) {
      this.#resume()
      if (this.#unread.length > 0) {
        this.#read(this.#unread)
        return
      }
    }
    this.#outbox.flush()
  }

  #resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#socket.resume()
  }

  #answer(ask: WireAsk, answer: Answer): void {
    const hasBody = ask.method !== 'HEAD' && answer.status !== 304 && answer.status !== 204
    let { body } = answer
    if (hasBody && typeof body === 'string' && Buffer.byteLength(body) !== body.length) body = Buffer.from(body)
    if (!hasBody) {
      const length = answer.status === 304 || answer.status === 204 ? undefined : lengthOf(answer)
      this.#head(ask, answer, length)
      dispose(body)
    } else if (body === undefined || typeof body === 'string') {
      this.#head(ask, answer, body?.length ?? 0)
      if (body) this.#outbox.add(body)
    } else if (body instanceof Uint8Array) {
      this.#head(ask, answer, body.length)
      this.#outbox.send(body)
    } else {
      this.#sendLong(ask, answer, body)
      return
    }
    this.#answered()
  }

  #sendLong(ask: WireAsk, answer: Answer, body: Exclude<Answer['body'], string | Uint8Array | undefined>): void {
    this.#state = 'sending'
    this.#pending = ask
    this.#allow(this.limits.sendStallMs)
    let sent: Promise<void>
    if (isStored(body)) {
      this.#head(ask, answer, body.sizeBytes)
      sent = sendStored(this.#outbox, body)
    } else {
      // HTTP/1.0 knows no chunks: there the end of the connection is the end of the body.
      if (ask.isHttp10) this.#mustClose = true
      this.#head(ask, answer, ask.isHttp10 ? undefined : 'chunked')
      sent = sendStream(this.#outbox, body, !ask.isHttp10)
    }
    void sent.then(
      () => this.#sent(),
      (error) => this.#broken(error, isStored(body)),
    )
  }

  #head(ask: WireAsk, answer: Answer, length: number | 'chunked' | undefined): void {
    const connection = this.#mustClose ? 'close' : ask.isHttp10 ? 'keep-alive' : undefined
    this.#outbox.add(writeHead(answer.status, answer.headers, { length, connection, date: this.#shared.date }))
  }

  #answered(): void {
    if (this.#mustClose) this.#linger()
    else if (!this.#outbox.isBlocked) this.#allow(this.limits.idleTimeoutMs)
  }

  #sent(): void {
    if (this.#state === 'closed') return
    this.#state = 'reading'
    this.#answered()
    this.#goOn()
  }

  /** Only a cut tells the client that the answer is not whole: where its length was promised a FIN, after which most clients resume. */
  #broken(error: unknown, isLengthKnown: boolean): void {
    if (this.#state === 'closed') return
    this.#shared.log(error)
    if (isLengthKnown) this.#linger()
    else this.#socket.terminate()
  }

  #refuse({ status, code, detail }: Refusal): void {
    const answer = refuse(code, detail, { status, headers: status === 405 ? { allow: 'GET, HEAD' } : {} })
    const body = answer.body as string
    const framing = { length: body.length, connection: 'close', date: this.#shared.date } as const
    this.#outbox.add(writeHead(status, answer.headers, framing) + body)
    this.#linger()
  }

  /** The last bytes leave, then our FIN; what the client still sends is dropped, lest a reset should eat the answer. */
  #linger(): void {
    this.#state = 'lingering'
    this.#mustClose = true
    this.#unread = nothing
    this.#resume()
    this.#outbox.flush()
    if (this.#outbox.isBlocked) return
    this.#allow(this.limits.lingerMs)
    this.#socket.shutdown()
  }

  onDrain(): void {
    if (!this.#outbox.drain()) return
    if (this.#state === 'lingering') this.#linger()
    else if (this.#state === 'reading') {
      this.#allow(this.limits.idleTimeoutMs)
      this.#goOn()
    }
  }

  /** The client sends no more. One that waits for a held answer has hung up; one that is being sent to gets the rest. */
  onEnd(): void {
    this.#mustClose = true
    if (this.#state === 'held') this.#socket.terminate()
    else if (this.#outbox.isBlocked) {
      if (this.#state === 'reading') this.#state = 'lingering'
    } else if (this.#state !== 'sending') this.#socket.end()
  }

  onClose(): void {
    this.#state = 'closed'
    this.#unread = nothing
    this.#outbox.close()
    this.#pending?.hangUp()
  }

  /** Called about once a second. */
  sweep(): void {
    if (this.#deadlineMs === 0 || this.#shared.nowMs < this.#deadlineMs) return
    if (this.#state !== 'reading' || this.#outbox.isBlocked) this.#socket.terminate()
    else if (this.#unread.length > 0)
      this.#refuse(new Refusal(408, 'REQUEST_INVALID', 'the request did not arrive in time'))
    else this.#linger()
  }

  /** The listener closes: an idle connection ends now, a busy one with its answer, and a new one gets a moment for its first request. */
  drain(): void {
    this.#mustClose = true
    if (this.#state !== 'reading' || this.#unread.length > 0 || this.#outbox.isBlocked) return
    if (this.#requests > 0) this.#linger()
    else this.#allow(this.limits.lingerMs)
  }

  terminate(): void {
    this.#socket.terminate()
  }
}
