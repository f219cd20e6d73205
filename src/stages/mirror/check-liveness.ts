// One look at every address of every host, a round at a time: a block of a blob that is proven there, asked for as clients ask.
// The address and the family that clients are sent over are looked at every round, the others now and then.

import type { OutboundClient } from '#http/outbound/outbound-client.ts'
import { eachBounded } from '#kit/each-bounded.ts'
import type { TreeBlob } from './host-records.ts'
import { type Liveness, stepLiveness } from './liveness.ts'
import {
  type BlobSource,
  blockAt,
  OriginDamaged,
  type ProbeLimits,
  readOriginRange,
  requireSound,
  type Sample,
  sampleBlob,
} from './sample-blob.ts'

export type LivenessTarget = {
  readonly hostId: number
  /** The one that clients are sent to first. */
  readonly urls: readonly string[]
  /** One that is proven there, another each round; undefined: nothing is proven yet, so there is nothing to ask for. */
  readonly blob: TreeBlob | undefined
  readonly hasTicket?: boolean
}

export type UrlLiveness = Liveness & { readonly url: string; readonly families: readonly (4 | 6)[] }
export type HostLiveness = { readonly hostId: number; readonly urls: readonly UrlLiveness[] }

export type HostProbe = {
  readonly host: HostLiveness
  /** What an address that clients were sent to did wrong. */
  readonly failure: string | undefined
  /** It failed only by lacking the blob that it was asked for. */
  readonly isOfBlob: boolean
}

export type LivenessOptions = {
  readonly concurrency: number
  readonly blockBytes: number
  readonly idleMs: number
  readonly totalMs: number
  /** The same for further addresses of a host, while the first is well. */
  readonly otherFamilyEveryMs: number
}

export type LivenessTools = {
  readonly client: OutboundClient
  readonly blobs: BlobSource
  readonly random: () => number
  readonly now: () => number
  /** What failed of what nobody waits for. */
  readonly log: (error: unknown) => void
}

type Watched = {
  readonly hostId: number
  readonly url: string
  liveness: Liveness | undefined
  family: 4 | 6 | undefined
  otherFamily: 4 | 6 | undefined
  otherCheckedAtMs: number
}

type Look = { readonly watched: Watched; readonly sample: Sample; readonly other: Sample | undefined }

/** The other family of a further address is where the fewest clients come: so much more seldom still. */
const farTurns = 5
/** So many rounds after an address began to fail, all of its host are looked at each time. */
const anxiousRounds = 3
/** With fewer hosts than this, silence of all of them may well be theirs. */
const fewHosts = 3
/** So many rounds in which everything is silent are taken for our own trouble. */
const patience = 6

export class LivenessWatch {
  readonly #tools: LivenessTools
  readonly #options: LivenessOptions
  #watched = new Map<string, Watched>()
  #silentRounds = 0

  constructor(tools: LivenessTools, options: LivenessOptions) {
    this.#tools = tools
    this.#options = options
  }

  /** One round. Hosts that are no target any more are forgotten. */
  async check(targets: readonly LivenessTarget[]): Promise<readonly HostLiveness[]> {
    const before = this.#watched
    this.#watched = new Map()
    for (const { hostId, urls } of targets) {
      for (const url of urls)
        this.#watched.set(keyOf(hostId, url), before.get(keyOf(hostId, url)) ?? watch(hostId, url))
    }
    const looks: Look[] = []
    const jobs = targets.flatMap((target) => (target.blob ? this.#dueUrls(target) : []).map((url) => ({ target, url })))
    await eachBounded(jobs, this.#options.concurrency, async ({ target, url }) => {
      try {
        looks.push(await this.#look(this.#watched.get(keyOf(target.hostId, url))!, target))
      } catch (error) {
        // A blob of ours that is damaged spoils this look, not the round of all the others.
        if (!(error instanceof OriginDamaged)) throw error
        this.#tools.log(error)
      }
      return undefined
    })
    if (!this.#isOwnTrouble(looks)) for (const look of looks) this.#learn(look)
    return targets.map(({ hostId, urls }) => ({ hostId, urls: urls.map((url) => this.#tell(hostId, url)) }))
  }

  #dueUrls({ hostId, urls }: LivenessTarget): readonly string[] {
    const livenessOf = (url: string) => this.#watched.get(keyOf(hostId, url))!.liveness
    const first = urls[0] === undefined ? undefined : livenessOf(urls[0])
    // Where the first one begins to fail, whether another is well decides who may still be sent there.
    if (!first || (first.failures > 0 && first.failures <= anxiousRounds)) return urls
    const oldestMs = this.#tools.now() - this.#options.otherFamilyEveryMs
    return urls.filter((url, i) => {
      const liveness = livenessOf(url)
      const isHalfDead = liveness?.isAlive === true && liveness.failures > 0
      return i === 0 || !liveness || isHalfDead || liveness.checkedAtMs <= oldestMs
    })
  }

  /** One host at once, on evidence. */
  async probe(target: LivenessTarget): Promise<HostProbe> {
    const { hostId, urls, blob } = target
    let failure: string | undefined
    let isOfBlob = true
    for (const url of blob ? urls : []) {
      const watched = this.#watched.get(keyOf(hostId, url)) ?? watch(hostId, url)
      this.#watched.set(keyOf(hostId, url), watched)
      const wasAlive = watched.liveness?.isAlive ?? true
      const look = await this.#look(watched, target)
      this.#learn(look)
      if (!wasAlive || look.sample.verdict === 'good') continue
      failure ??= `${url}: ${look.sample.fault?.came}`
      if (look.sample.verdict !== 'lacking') isOfBlob = false
    }
    return { host: { hostId, urls: urls.map((url) => this.#tell(hostId, url)) }, failure, isOfBlob }
  }

  async #look(watched: Watched, target: LivenessTarget): Promise<Look> {
    const blob = target.blob!
    const { client, blobs, random, now } = this.#tools
    const range = blockAt(blob.sizeBytes, this.#options.blockBytes, random())
    const block = { range, bytes: await readOriginRange(blobs, blob.digest, range) }
    const ask = (family: 4 | 6 | undefined) => {
      const { idleMs, totalMs } = this.#options
      const limits: ProbeLimits = { idleMs, totalMs, family, hasTicket: target.hasTicket ?? false }
      return sampleBlob(client, watched.url, blob, block, limits)
    }
    const sample = await ask(watched.family)
    // Of a host that is out already nothing more is to be lost; reading whole blobs for it would be work for nothing.
    if (sample.verdict === 'wrong' && watched.liveness?.isAlive !== false) await requireSound(blobs, blob.digest)
    if (watched.family === undefined) return { watched, sample, other: undefined }
    const { otherFamilyEveryMs } = this.#options
    const everyMs = watched.url === target.urls[0] ? otherFamilyEveryMs : otherFamilyEveryMs * farTurns
    const isDue = now() - watched.otherCheckedAtMs >= everyMs
    const isNeeded = sample.verdict !== 'good' && watched.otherFamily !== undefined
    const other = isDue || isNeeded ? await ask(watched.family === 4 ? 6 : 4) : undefined
    return { watched, sample, other }
  }

  #learn({ watched, sample, other }: Look): void {
    const nowMs = this.#tools.now()
    if (other) {
      watched.otherFamily = other.verdict === 'good' ? other.family : undefined
      watched.otherCheckedAtMs = nowMs
    }
    // Well over the other family only: it is alive for the clients of that one.
    const hasMoved = sample.verdict !== 'good' && other?.verdict === 'good'
    if (hasMoved) {
      watched.family = other.family
      watched.otherFamily = undefined
    } else if (sample.verdict === 'good') watched.family = sample.family
    watched.liveness = stepLiveness(watched.liveness, hasMoved ? other : sample, nowMs)
  }

  /** When nobody at all answers, it is likelier us than all of them, and no host pays for it; but not for ever. */
  #isOwnTrouble(looks: readonly Look[]): boolean {
    const isSilent = ({ sample: { trouble } }: Look) =>
      trouble === 'timeout' || trouble === 'unreachable' || trouble === 'name'
    const hosts = new Set(looks.map(({ watched }) => watched.hostId))
    this.#silentRounds = hosts.size >= fewHosts && looks.every(isSilent) ? this.#silentRounds + 1 : 0
    return this.#silentRounds > 0 && this.#silentRounds <= patience
  }

  #tell(hostId: number, url: string): UrlLiveness {
    const { liveness, family, otherFamily } = this.#watched.get(keyOf(hostId, url)) ?? watch(hostId, url)
    const families = [family, otherFamily].filter((one) => one !== undefined)
    return { url, families, ...(liveness ?? unknown) }
  }
}

const unknown: Liveness = {
  isAlive: false,
  reason: 'no blob is proven there yet',
  failures: 0,
  successes: 0,
  checkedAtMs: 0,
  roundTripMs: 0,
}

function keyOf(hostId: number, url: string): string {
  return `${hostId} ${url}`
}

function watch(hostId: number, url: string): Watched {
  const never = Number.NEGATIVE_INFINITY
  return { hostId, url, liveness: undefined, family: undefined, otherFamily: undefined, otherCheckedAtMs: never }
}
