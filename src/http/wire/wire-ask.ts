// One request, read from the bytes of its head. Headers are looked up in the head's text when asked for; all that
// is kept of them is where each line begins.
import type { Ask } from '#http/answer.ts'

function lower(code: number): number {
  return code >= 65 && code <= 90 ? code + 32 : code
}

// The last value of each header name: clients say the same again and again, and a text that is there already needs no copy, no hash.
const lastValues = new Map<string, string>()
const maxNames = 64
const maxKeptLength = 256

function valueAt(head: string, from: number, name: string): string {
  let start = from
  while (head.charCodeAt(start) === 32 || head.charCodeAt(start) === 9) start++
  const last = lastValues.get(name)
  if (last !== undefined && head.charCodeAt(start + last.length) === 13 && head.startsWith(last, start)) return last
  const value = head.slice(start, head.indexOf('\r', start)).trimEnd()
  if (value.length <= maxKeptLength && (last !== undefined || lastValues.size < maxNames)) lastValues.set(name, value)
  return value
}

export class WireAsk implements Ask {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly peer: string
  readonly isTls: boolean
  readonly body = undefined
  /** Whether the connection may serve another request after this one. */
  readonly isKeptAlive: boolean
  readonly isHttp10: boolean
  /** Where the next request begins in the bytes that were read. */
  readonly end: number
  readonly #head: string
  readonly #lines: readonly number[]
  #gone: AbortController | undefined

  constructor(about: {
    readonly method: string
    readonly target: string
    readonly peer: string
    readonly isTls: boolean
    readonly isKeptAlive: boolean
    readonly isHttp10: boolean
    readonly end: number
    readonly head: string
    /** Where each header field begins in `head`. */
    readonly lines: readonly number[]
  }) {
    this.method = about.method
    this.peer = about.peer
    this.isTls = about.isTls
    this.isKeptAlive = about.isKeptAlive
    this.isHttp10 = about.isHttp10
    this.end = about.end
    this.#head = about.head
    this.#lines = about.lines
    const question = about.target.indexOf('?')
    this.path = question < 0 ? about.target : about.target.slice(0, question)
    this.query = question < 0 ? '' : about.target.slice(question + 1)
  }

  /** Made for who asks for it: most are answered at once. */
  get gone(): AbortSignal {
    this.#gone ??= new AbortController()
    return this.#gone.signal
  }

  hangUp(): void {
    this.#gone?.abort()
  }

  header(name: string): string | undefined {
    const head = this.#head
    const lines = this.#lines
    const first = name.charCodeAt(0)
    let found: string | undefined
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i]!
      if (head.charCodeAt(line + name.length) !== 58 || lower(head.charCodeAt(line)) !== first) continue
      if (!this.#isAt(line, name)) continue
      const value = valueAt(head, line + name.length + 1, name)
      found = found === undefined ? value : `${found}, ${value}`
    }
    return found
  }

  #isAt(line: number, name: string): boolean {
    for (let i = 1; i < name.length; i++) {
      if (lower(this.#head.charCodeAt(line + i)) !== name.charCodeAt(i)) return false
    }
    return true
  }
}
