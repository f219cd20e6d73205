// Proves what a host holds: every blob that came since the generation it was proven for, once; some of those it lacked; a few of
// those it held. What is settled is kept while it runs, so a crawl that is cut short is gone on with, not begun again.

import { OutboundError } from '#http/outbound/outbound-error.ts'
import { eachBounded } from '#kit/each-bounded.ts'
import { type CheckOptions, type CheckTools, checkBlob } from './check-blob.ts'
import { CrawlTally } from './crawl-tally.ts'
import {
  type CrawlRecord,
  type HostRecord,
  type HostRecords,
  noPresence,
  type TraceFinding,
  type TreeBlob,
  type TreeRecords,
  urlsOf,
} from './host-records.ts'
import { PresenceBook } from './presence-book.ts'
import { readHint } from './read-hint.ts'
import { blobUrl, type Sample } from './sample-blob.ts'

export type CrawlOptions = CheckOptions & {
  /** Blobs looked at at once on one host. */
  readonly concurrency: number
  readonly maxRequests: number
  readonly maxSampledBytes: number
  readonly maxMs: number
  /** Blobs it lacked that are asked for again. */
  readonly maxRechecks: number
  /** Of those, so many first; the others only when one of them has come. Undefined: all. */
  readonly firstRechecks?: number
  /** Blobs it held that are looked at again, */
  readonly spotChecks: number
  /** one for each such time since the last crawl. Undefined: all of them each time. */
  readonly spotCheckEveryMs?: number
  /** What is settled is kept at least this often. */
  readonly saveEveryMs: number
}

export type CrawlTools = CheckTools & {
  readonly records: HostRecords
  readonly tree: TreeRecords
  readonly now: () => number
  /** Ends it, and what it waits for. */
  readonly signal?: AbortSignal | undefined
}

export type CrawlTask = {
  readonly host: HostRecord
  readonly channel: string
  readonly generation: number
  /** Kept with the outcome. */
  readonly trace?: TraceFinding | undefined
}

/** Crawls and keeps the outcome. Errors are ours (origin, catalogue): they are thrown, and no host pays for them. */
export async function crawlHost(task: CrawlTask, tools: CrawlTools, options: CrawlOptions): Promise<CrawlRecord> {
  const crawl = await Crawl.start(task, tools, options)
  try {
    await crawl.run()
  } finally {
    await crawl.savePresence()
  }
  const found = crawl.tally.toRecord({ hostId: task.host.id, channel: task.channel }, tools.now())
  const record = task.trace ? { ...found, trace: task.trace } : found
  await tools.records.saveCrawl(record)
  return record
}

class Crawl {
  readonly tally: CrawlTally
  readonly #task: CrawlTask
  readonly #tools: CrawlTools
  readonly #options: CrawlOptions
  readonly #book: PresenceBook
  readonly #base: string | undefined
  /** Addresses of blobs that had wrong bytes the last time. */
  readonly #suspects: ReadonlySet<string>
  readonly #lastMs: number
  #savedAtMs: number
  #saving: Promise<void> = Promise.resolve()

  static async start(task: CrawlTask, tools: CrawlTools, options: CrawlOptions): Promise<Crawl> {
    const { host, channel } = task
    const presence = (await tools.records.findPresence(host.id, channel)) ?? noPresence
    const last = await tools.records.findLastCrawl(host.id, channel)
    const suspects = last?.outcome === 'lying' ? last.faults.map(({ url }) => url) : []
    return new Crawl(
      task,
      tools,
      { ...options, hasTicket: host.ticket === 'query' },
      { book: new PresenceBook(presence), suspects: new Set(suspects), lastMs: last?.finishedAtMs ?? 0 },
    )
  }

  private constructor(
    task: CrawlTask,
    tools: CrawlTools,
    options: CrawlOptions,
    kept: { readonly book: PresenceBook; readonly suspects: ReadonlySet<string>; readonly lastMs: number },
  ) {
    this.#task = task
    const { client, signal } = tools
    // A host that hangs must not hold up whoever cancels.
    this.#tools = { ...tools, client: { send: (asked) => client.send({ ...asked, signal }) } }
    this.#options = options
    this.#book = kept.book
    this.#suspects = kept.suspects
    this.#lastMs = kept.lastMs
    this.#base = urlsOf(task.host, task.channel)[0]
    this.#savedAtMs = tools.now()
    this.tally = new CrawlTally(tools.now(), options, tools.signal)
  }

  async run(): Promise<void> {
    const { channel, generation } = this.#task
    if (this.#base === undefined) return this.tally.end('unsuitable', `it has no address for ${channel}`)
    const hint = await this.#askHint(this.#base)
    if (this.tally.isOver) return
    const upTo = Math.max(this.#book.generation, Math.min(generation, hint ?? generation))
    await this.#recheckMissing(this.#base)
    await this.#checkSpots(this.#base)
    await this.#checkNew(this.#base, upTo)
    if (this.tally.isOver) return
    this.#book.finish(upTo)
    if (this.#book.generation < upTo) this.tally.end('trouble', 'some blobs could not be asked for')
    else if (upTo < generation) this.tally.end('behind', `it says that it has generation ${hint} of ${generation}`)
  }

  async #askHint(base: string): Promise<number | undefined> {
    try {
      this.tally.count({ requests: 1, bytes: 0 }, this.#tools.now())
      return await readHint(this.#tools.client, base, this.#options)
    } catch (error) {
      if (!(error instanceof OutboundError)) throw error
      if (!this.tally.isOver) this.tally.end('trouble', error.message)
      return undefined
    }
  }

  async #recheckMissing(base: string): Promise<void> {
    const missing = this.#book.listMissing()
    const isSuspect = (digest: string) => this.#suspects.has(blobUrl(base, digest))
    const others = pickSome(
      missing.filter((digest) => !isSuspect(digest)),
      this.#options.maxRechecks,
      this.#tools.random,
    )
    const first = this.#options.firstRechecks ?? others.length
    const hasCome = await this.#recheck(base, [...missing.filter(isSuspect), ...others.slice(0, first)])
    // A copy that is under way shows in any few of them; one that is partial for good would be asked for all of it for ever.
    if (hasCome) await this.#recheck(base, others.slice(first))
  }

  /** Whether one of them is there now. */
  async #recheck(base: string, digests: readonly string[]): Promise<boolean> {
    let hasCome = false
    await eachBounded(digests, this.#options.concurrency, async (digest) => {
      const blob = await this.#tools.tree.findBlob(this.#task.channel, digest)
      // It has left the tree; nobody asks for it any more.
      if (!blob) {
        this.#book.correct(digest, true)
        return undefined
      }
      return this.#look(base, blob, (isHeld) => {
        hasCome ||= isHeld === true
        if (isHeld !== undefined) this.#book.correct(digest, isHeld)
      })
    })
    return hasCome
  }

  async #checkSpots(base: string): Promise<void> {
    const { tree, random } = this.#tools
    const { spotChecks, spotCheckEveryMs } = this.#options
    const sinceMs = this.#tools.now() - this.#lastMs
    const count = spotCheckEveryMs === undefined ? spotChecks : Math.floor(sinceMs / spotCheckEveryMs + random())
    for (let i = 0; i < Math.min(count, spotChecks) && this.#book.generation > 0 && !this.tally.isOver; i++) {
      const blob = await tree.pickBlob(this.#task.channel, this.#book.generation, random())
      if (!blob || !this.#book.isProven(blob)) continue
      await this.#look(base, blob, (isHeld) => isHeld === false && this.#book.correct(blob.digest, false))
    }
  }

  async #checkNew(base: string, upTo: number): Promise<void> {
    if (this.tally.isOver) return
    const blobs = this.#tools.tree.listBlobs(this.#task.channel, this.#book.generation, upTo)
    await eachBounded(blobs, this.#options.concurrency, async (blob) => {
      // Before the first await: blobs begin in their order.
      const isProven = this.#book.isProven(blob)
      this.#book.begin(blob)
      if (isProven) {
        this.#book.settle(blob, true)
        return undefined
      }
      return this.#look(base, blob, (isHeld) => this.#book.settle(blob, isHeld))
    })
  }

  /** False when the crawl is over. */
  async #look(
    base: string,
    blob: TreeBlob,
    settle: (isHeld: boolean | undefined) => unknown,
  ): Promise<false | undefined> {
    if (this.tally.isOver) {
      settle(undefined)
      return false
    }
    const check = await checkBlob(base, blob, this.#tools, this.#options)
    settle(isHeld(check.sample))
    // Asked before the judgement: what failed because the crawl was cancelled is no fault of the host.
    if (!this.tally.isOver) this.tally.judge(check.sample)
    this.tally.count(check, this.#tools.now())
    if (this.#tools.now() - this.#savedAtMs >= this.#options.saveEveryMs) {
      this.#savedAtMs = this.#tools.now()
      await this.savePresence()
    }
    return this.tally.isOver ? false : undefined
  }

  /** One after the other, so that an older state never lands on a newer one. */
  savePresence(): Promise<void> {
    const { host, channel } = this.#task
    const save = () => this.#tools.records.savePresence(host.id, channel, this.#book.toPresence())
    this.#saving = this.#saving.then(save)
    return this.#saving
  }
}

function isHeld({ verdict }: Sample): boolean | undefined {
  if (verdict === 'good') return true
  return verdict === 'lacking' || verdict === 'wrong' ? false : undefined
}

/** Any `count` of them, without order. */
function pickSome<T>(items: T[], count: number, random: () => number): T[] {
  for (let i = 0; i < Math.min(count, items.length); i++) {
    const j = i + Math.floor(random() * (items.length - i))
    ;[items[i], items[j]] = [items[j]!, items[i]!]
  }
  return items.slice(0, count)
}
