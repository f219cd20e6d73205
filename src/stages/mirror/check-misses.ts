// A host sent a client back for a blob, or a front door's probe met a 404: it is looked at, and when the blob is not there an exception
// is kept, so that nobody else is sent for it. Until a crawl that began with the exception has decided, it outlasts older crawls.

import type { Digest } from '#oci/digest.ts'
import { type CheckOptions, type CheckTools, checkBlob } from './check-blob.ts'
import type { FleetRecords } from './fleet-watch.ts'
import type { HostRecords, Presence, TreeBlob, TreeRecords } from './host-records.ts'
import type { Sample } from './sample-blob.ts'

export type MissOptions = CheckOptions & {
  /** Checks of one host are at least so far apart. */
  readonly everyMs: number
  /** What was found of a blob there counts so long. */
  readonly againMs: number
  readonly maxRunning: number
  readonly maxPerHost: number
}

export type MissTools = CheckTools & {
  readonly records: Pick<HostRecords, 'findPresence' | 'savePresence'>
  readonly tree: Pick<TreeRecords, 'findBlob'>
  readonly now: () => number
}

export type MissTarget = { readonly hostId: number; readonly url: string; readonly hasTicket: boolean }

type Exception = { readonly blob: TreeBlob; keptAtMs: number }

export class MissChecks {
  readonly #channel: string
  readonly #tools: MissTools
  readonly #options: MissOptions
  readonly #exceptions = new Map<number, Map<string, Exception>>()
  readonly #checkedAtMs = new Map<number, number>()
  /** By host and digest, oldest first. */
  readonly #found = new Map<string, number>()
  #running = 0

  constructor(channel: string, tools: MissTools, options: MissOptions) {
    this.#channel = channel
    this.#tools = tools
    this.#options = options
  }

  /** Undefined: not now, or not of this tree. Errors are ours and thrown. */
  async check({ hostId, url, hasTicket }: MissTarget, digest: Digest | string): Promise<Sample | undefined> {
    if (!this.#mayCheck(hostId, `${hostId} ${digest}`)) return undefined
    this.#running++
    try {
      const blob = await this.#tools.tree.findBlob(this.#channel, digest)
      if (!blob) return undefined
      const { sample } = await checkBlob(url, blob, this.#tools, { ...this.#options, hasTicket })
      if (sample.verdict === 'lacking' || sample.verdict === 'wrong') await this.#keep(hostId, blob)
      return sample
    } finally {
      this.#running--
    }
  }

  #mayCheck(hostId: number, pair: string): boolean {
    const { everyMs, againMs, maxRunning, maxPerHost } = this.#options
    const nowMs = this.#tools.now()
    // What was checked at a time to come was so before the clock was set back.
    const isWithin = (ms: number, atMs = Number.NEGATIVE_INFINITY) => atMs <= nowMs && nowMs - atMs < ms
    if (isWithin(everyMs, this.#checkedAtMs.get(hostId)) || this.#running >= maxRunning) return false
    if (isWithin(againMs, this.#found.get(pair))) return false
    this.#checkedAtMs.set(hostId, nowMs)
    this.#found.delete(pair)
    this.#found.set(pair, nowMs)
    if (this.#found.size > maxPerHost) this.#found.delete(this.#found.keys().next().value!)
    return true
  }

  async #keep(hostId: number, blob: TreeBlob): Promise<void> {
    const known = this.#exceptions.get(hostId) ?? new Map<string, Exception>()
    this.#exceptions.set(hostId, known)
    known.set(blob.digest, { blob, keptAtMs: this.#tools.now() })
    if (known.size > this.#options.maxPerHost) known.delete(known.keys().next().value!)
    await this.#save(hostId, known)
  }

  async #save(hostId: number, known: ReadonlyMap<string, Exception>): Promise<void> {
    const { records, now } = this.#tools
    const presence = await records.findPresence(hostId, this.#channel)
    if (!presence) return
    await records.savePresence(hostId, this.#channel, without(presence, known))
    for (const exception of known.values()) exception.keptAtMs = now()
  }

  /** The same records, with the exceptions over what a crawl that did not know of them has kept meanwhile. */
  over(records: FleetRecords): FleetRecords {
    return {
      listHosts: () => records.listHosts(),
      listLastCrawls: (channel) => records.listLastCrawls(channel),
      listPresence: async (channel) => {
        const presence = await records.listPresence(channel)
        if (channel !== this.#channel || this.#exceptions.size === 0) return presence
        const crawls = await records.listLastCrawls(channel)
        const told = new Map(presence)
        for (const [hostId, known] of this.#exceptions) {
          const crawl = crawls.get(hostId)
          const kept = presence.get(hostId)
          for (const [digest, { keptAtMs }] of known) if (crawl && crawl.startedAtMs > keptAtMs) known.delete(digest)
          if (!kept || known.size === 0) this.#exceptions.delete(hostId)
          else {
            told.set(hostId, without(kept, known))
            const isOverwritten = [...known.values()].some(({ keptAtMs }) => crawl && crawl.finishedAtMs >= keptAtMs)
            if (isOverwritten) await this.#save(hostId, known)
          }
        }
        return told
      },
    }
  }
}

function without(presence: Presence, exceptions: ReadonlyMap<string, Exception>): Presence {
  const { generation } = presence
  const earlier = [...exceptions.values()].filter(({ blob }) => blob.generation <= generation)
  const missing = new Set([...presence.missing, ...earlier.map(({ blob }) => blob.digest)])
  return { generation, missing: [...missing].sort(), extra: presence.extra.filter((digest) => !exceptions.has(digest)) }
}
