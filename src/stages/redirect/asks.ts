// What was answered to whom a moment ago. A client that comes back for the same blob was probably failed by its host, and nothing
// but this memory tells: clients bring no state of their own.
import { parseRange } from '#http/range.ts'
import type { Candidate } from '#snapshots/index-placement.ts'
import { FirstAsks } from './first-asks.ts'
import { isWithin } from './within.ts'

/**
 * plain: the whole blob from its start. part: one of several, which belong to one host and prove nothing about it.
 * resume: the rest of a transfer that broke.
 */
export type AskShape = 'plain' | 'part' | 'resume'

/** containerd's parallel parts are open ranges from whole multiples of this. */
const partBytes = 1024 * 1024

export function shapeOf(range: string | undefined): AskShape {
  if (range === undefined) return 'plain'
  const specs = parseRange(range)
  if (!specs) return 'plain'
  const spec = specs[0]!
  if (specs.length > 1 || spec.first === undefined || spec.last !== undefined) return 'part'
  // `0-` is the whole blob by another name: were it a part, a client that always says so would never leave a bad host.
  if (spec.first === 0) return 'plain'
  return spec.first % partBytes === 0 ? 'part' : 'resume'
}

/** One per client prefix and blob that came back, for one window; first asks are in first-asks.ts. */
export type Memory = {
  readonly startedMs: number
  /** When the ask came of which the following ones, for a moment, are echoes. */
  askedMs: number
  /** The same for strikes. */
  strikeMs: number
  /** For the whole blob. */
  asks: number
  /** Where the last one was sent. */
  last: Candidate | undefined
  /** Hosts of this round, without `last` until the next one is given: most clients come once, and then there is no list to make. */
  tried: readonly number[]
  isLastTried: boolean
  /** When this round began; 0: the first, in which hosts need no newer proof. */
  roundMs: number
  originAnswers: number
}

export type AsksOptions = { readonly windowMs: number; readonly maxEntries: number }

type Entries = Map<string, Map<number, Memory>>

/** Two maps take turns, so that entries end without a timer each: the older is dropped when the younger is full or a window old. */
export class Asks {
  readonly #options: AsksOptions
  #young: Entries = new Map()
  #old: Entries = new Map()
  #youngCount = 0
  #turnedMs = 0
  readonly #firsts: FirstAsks

  constructor(options: AsksOptions) {
    this.#options = options
    this.#firsts = new FirstAsks(options)
  }

  /** What is known of this client and blob; undefined when it is the first ask of the window. */
  find(prefixKey: number, digest: string, nowMs: number): Memory | undefined {
    const found = this.#young.get(digest)?.get(prefixKey)
    if (found && this.#isLive(found, nowMs)) return found
    const older = found || this.#old.size === 0 ? undefined : this.#old.get(digest)?.get(prefixKey)
    const memory = older && this.#isLive(older, nowMs) ? older : this.#takeFirst(prefixKey, digest, nowMs)
    if (memory) this.#keep(prefixKey, digest, memory, nowMs)
    return memory
  }

  /** The same, made when there is none. */
  recall(prefixKey: number, digest: string, nowMs: number): Memory {
    const found = this.find(prefixKey, digest, nowMs)
    if (found) return found
    const memory = startMemory(nowMs)
    this.#keep(prefixKey, digest, memory, nowMs)
    return memory
  }

  /** The first ask of a window was answered with this host. */
  noteFirst(prefixKey: number, digest: string, sentTo: Candidate, nowMs: number): void {
    this.#firsts.put(prefixKey, digest, sentTo, nowMs)
  }

  /** What is known, changing nothing: for `explain`. */
  peek(prefixKey: number, digest: string, nowMs: number): Memory | undefined {
    const found = this.#young.get(digest)?.get(prefixKey) ?? this.#old.get(digest)?.get(prefixKey)
    if (found && this.#isLive(found, nowMs)) return found
    const first = this.#firsts.peek(prefixKey, digest)
    const memory = first && startMemory(first.startedMs, first.sentTo)
    return memory && this.#isLive(memory, nowMs) ? memory : undefined
  }

  #takeFirst(prefixKey: number, digest: string, nowMs: number): Memory | undefined {
    const first = this.#firsts.take(prefixKey, digest, nowMs)
    return first && startMemory(first.startedMs, first.sentTo)
  }

  /** Of those who came back. */
  get size(): number {
    let size = 0
    for (const entries of [this.#young, this.#old]) for (const byPrefix of entries.values()) size += byPrefix.size
    return size
  }

  #isLive(memory: Memory, nowMs: number): boolean {
    return isWithin(this.#options.windowMs, memory.startedMs, nowMs)
  }

  #keep(prefixKey: number, digest: string, memory: Memory, nowMs: number): void {
    const { maxEntries, windowMs } = this.#options
    if (this.#youngCount >= maxEntries / 2 || !isWithin(windowMs, this.#turnedMs, nowMs)) {
      this.#old = this.#young
      this.#young = new Map()
      this.#youngCount = 0
      this.#turnedMs = nowMs
    }
    let byPrefix = this.#young.get(digest)
    if (!byPrefix) this.#young.set(digest, (byPrefix = new Map()))
    if (!byPrefix.has(prefixKey)) this.#youngCount++
    byPrefix.set(prefixKey, memory)
  }
}

const nobody: readonly number[] = []

export function isTried({ tried, last, isLastTried }: Memory, hostId: number): boolean {
  return (isLastTried && last!.host.id === hostId) || (tried !== nobody && tried.includes(hostId))
}

export function hasTried({ tried, isLastTried }: Memory): boolean {
  return isLastTried || tried.length > 0
}

/** The client is sent to this host. */
export function noteGiven(memory: Memory, candidate: Candidate): void {
  if (isTried(memory, candidate.host.id)) return
  if (memory.isLastTried) memory.tried = [...memory.tried, memory.last!.host.id]
  memory.last = candidate
  memory.isLastTried = true
}

/** Hosts of it must be proven after `sinceMs`. */
export function startRound(memory: Memory, sinceMs: number): void {
  memory.tried = nobody
  memory.isLastTried = false
  memory.roundMs = sinceMs
}

function startMemory(startedMs: number, sentTo?: Candidate): Memory {
  return {
    startedMs,
    askedMs: startedMs,
    strikeMs: 0,
    asks: 1,
    last: sentTo,
    tried: nobody,
    isLastTried: sentTo !== undefined,
    roundMs: 0,
    originAnswers: 0,
  }
}
