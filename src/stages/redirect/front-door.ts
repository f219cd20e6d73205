// Everything a front door works with, put together once. It has no database and no catalogue: three snapshots, and bytes if they
// lie here.
import { originTicketId, Tickets, ticketLifeMs } from '#access/ticket.ts'
import type { Answer } from '#http/answer.ts'
import type { ReadClientAddress, Sender } from '#http/client-address.ts'
import { ownText } from '#kit/own-text.ts'
import type { SelectionClient } from '#selection/client.ts'
import { Headroom, type HeadroomOptions, headroomDefaults } from '#selection/headroom.ts'
import type { View } from '#snapshots/holder.ts'
import type { Candidate } from '#snapshots/index-placement.ts'
import type { Places } from '#snapshots/places.ts'
import { Asks } from './asks.ts'
import { BlobStreams, type StreamOptions, streamDefaults } from './blob-streams.ts'
import { type Asked, HostChooser } from './choose-host.ts'
import { type ChooseOptions, chooseDefaults } from './choose-options.ts'
import { type ClientClass, type ClientRule, clientClassReader, defaultClientRules } from './client-kind.ts'
import { type FrontCounters, makeCounters, makeTallies } from './counters.ts'
import type { Step } from './decision.ts'
import type { ReportEvidence } from './evidence.ts'
import { KnownPaths } from './known-paths.ts'
import { OriginBudget, type OriginLimits, originLimitDefaults } from './origin-budget.ts'
import { PackedBytesReader } from './packed-bytes.ts'
import { type ProofLimits, proofLimitDefaults } from './proof-limits.ts'
import { type ProofParts, Proofs } from './proofs.ts'
import { type PullCountOptions, PullCounts, pullCountDefaults } from './pull-counts.ts'
import { PullsBegun } from './pulls-begun.ts'
import { Statistics, type StatisticsOptions, statisticsDefaults } from './statistics.ts'
import { type Decision, withDecision } from './tell-decision.ts'

export type FrontOptions = {
  /** Where blobs that this front door cannot open are: a base address as hosts have one. Undefined: nowhere else. */
  readonly originUrl: string | undefined
  /** The public address is https though a proxy before us ends the TLS. */
  readonly isBehindTls: boolean
  readonly choose: ChooseOptions
  readonly proofs: ProofLimits
  readonly headroom: HeadroomOptions
  readonly clientRules: readonly ClientRule[]
  readonly streams: StreamOptions
  readonly origin: OriginLimits
  /** How long a client's coming back is remembered. */
  readonly windowMs: number
  readonly maxRemembered: number
  readonly pulls: PullCountOptions
  readonly statistics: StatisticsOptions
  /** Answers about blobs and manifests say in a header by which step they came. */
  readonly tellsDecision: boolean
  /** Misses with a good ticket that are served here, per client prefix, blob and window. */
  readonly maxMisses: number
  readonly ticketLifeMs: number
  /** Memory for manifests and small blobs. */
  readonly packedCacheBytes: number
}

export const frontDefaults: FrontOptions = {
  originUrl: undefined,
  isBehindTls: false,
  choose: chooseDefaults,
  proofs: proofLimitDefaults,
  headroom: headroomDefaults,
  clientRules: defaultClientRules,
  streams: streamDefaults,
  origin: originLimitDefaults,
  windowMs: 300_000,
  maxRemembered: 100_000,
  pulls: pullCountDefaults,
  statistics: statisticsDefaults,
  tellsDecision: false,
  maxMisses: 64,
  ticketLifeMs,
  packedCacheBytes: 128 * 1024 * 1024,
}

export type FrontParts = ProofParts & {
  /** For the origin, which may have a private address; by default that for hosts. */
  readonly originOutbound?: ProofParts['outbound']
  readonly holder: { readonly current: View }
  readonly places: Places
  readonly readClientAddress: ReadClientAddress
  /** 32 bytes or more, the same on all front doors of one name. */
  readonly ticketKey: Uint8Array
  readonly report: ReportEvidence
  readonly now: () => number
}

/** What is the same for all requests of one address, and what it was read from. */
type Known = Pick<SelectionClient, 'address' | 'prefixKey' | 'country' | 'asn'> & {
  readonly peer: string
  readonly forwarded: string
  /** As its last request made it: those of one address mostly come from one program. */
  client: SelectionClient | undefined
}

/** A power of two. */
const knownSlots = 65_536

/** FNV-1a of the end of the text, where addresses differ. */
function slotOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = Math.max(0, text.length - 16); i < text.length; i++)
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash ^ (hash >>> 15)) & (knownSlots - 1)
}

export class FrontDoor {
  readonly options: FrontOptions
  readonly parts: FrontParts
  readonly counters: FrontCounters = makeCounters()
  /** Answers about blobs and manifests by step, redirects by grade, evidence by kind: as plain numbers too. */
  readonly tallies = makeTallies()
  readonly report: ReportEvidence
  readonly asks: Asks
  readonly pulls: PullCounts
  readonly statistics: Statistics
  readonly begun: PullsBegun
  readonly proofs: Proofs
  readonly headroom: Headroom
  readonly chooser: HostChooser
  readonly tickets: Tickets
  readonly packed: PackedBytesReader
  readonly streams: BlobStreams
  readonly origin: OriginBudget
  readonly paths = new KnownPaths()
  readonly classOf: (userAgent: string | undefined) => ClientClass
  /** Of each address one place by its hash: the clients of the moment, in a bound, without a list to keep. */
  readonly #known = new Array<Known | undefined>(knownSlots).fill(undefined)

  constructor(parts: FrontParts, options: FrontOptions) {
    this.parts = parts
    this.options = options
    const { now } = parts
    const report = (this.report = (evidence) => {
      this.tallies.evidence[evidence.kind]++
      parts.report(evidence)
    })
    const { counters } = this
    this.asks = new Asks({ windowMs: options.windowMs, maxEntries: options.maxRemembered })
    this.pulls = new PullCounts(options.pulls, counters, parts.random)
    this.statistics = new Statistics(options.statistics)
    this.begun = new PullsBegun({ windowMs: options.windowMs, maxNetworks: options.maxRemembered })
    this.proofs = new Proofs(parts, options.proofs, { report, counters, now })
    this.headroom = new Headroom(options.headroom, now)
    this.tickets = new Tickets(parts.ticketKey, options.ticketLifeMs)
    this.packed = new PackedBytesReader(options.packedCacheBytes)
    this.classOf = clientClassReader(options.clientRules)
    const ticketQuery = this.ticketQuery.bind(this)
    const { asks, begun, headroom, tickets, proofs } = this
    this.origin = new OriginBudget(options.origin, now)
    const chargeOrigin = this.origin.charge.bind(this.origin)
    const { originUrl } = options
    this.streams = new BlobStreams(
      { ...parts, report, originUrl, tickets, ticketQuery, proofs, headroom, chargeOrigin, counters },
      options.streams,
    )
    this.chooser = new HostChooser({ asks, proofs, begun, headroom, report, now, ticketQuery }, options.choose)
  }

  /** What a redirect to this host carries: `?t=…`, or nothing where a query would break signatures and cache keys. */
  ticketQuery({ host }: Candidate, { client, blob, nowMs }: Asked): string {
    if (host.ticket === 'none') return ''
    return `?t=${this.tickets.issue(host.id, { prefixKey: client.prefixKey, digest: blob.digest, nowMs })}`
  }

  /** What a redirect to the origin carries, which then knows a user from a machine that copies the tree. */
  originQuery(prefixKey: number, digest: string): string {
    return `?t=${this.tickets.issue(originTicketId, { prefixKey, digest, nowMs: this.parts.now() })}`
  }

  /** The host that a ticket which came back is about; undefined when the ticket is not good. */
  hostOfMiss(miss: string, prefixKey: number, digest: string): number | undefined {
    const id = this.tickets.check(miss, { prefixKey, digest, nowMs: this.parts.now() })
    // The origin sends nobody back.
    return id === originTicketId ? undefined : id
  }

  /** With the decision in a header, where that is wanted. */
  tell(answer: Answer, decision: Decision | Step): Answer {
    const isPlain = typeof decision === 'string'
    this.tallies.steps[isPlain ? decision : decision.step]++
    if (!this.options.tellsDecision) return answer
    return withDecision(answer, isPlain ? { step: decision } : decision)
  }

  clientOf(ask: Sender & { readonly isTls: boolean }, userAgent = ask.header('user-agent')): SelectionClient {
    const known = this.#knownOf(ask)
    const isTls = ask.isTls || this.options.isBehindTls
    const { kind } = this.classOf(userAgent)
    const { client } = known
    if (client && client.kind === kind && client.isTls === isTls) return client
    const { address, prefixKey, country, asn } = known
    return (known.client = { address, prefixKey, country, asn, kind, isTls })
  }

  countryOf(ask: Sender): string | undefined {
    return this.#knownOf(ask).country
  }

  #knownOf(ask: Sender): Known {
    const { peer } = ask
    const forwarded = ask.header('x-forwarded-for') ?? ''
    const slot = slotOf(forwarded === '' ? peer : forwarded)
    const known = this.#known[slot]
    if (known && known.forwarded === forwarded && known.peer === peer) return known
    const { places, readClientAddress } = this.parts
    const { address, prefixKey } = readClientAddress(ask)
    const [country, asn] = [places.countryOf(address), places.asnOf(address)]
    const read = { address, prefixKey, country, asn, peer, forwarded, client: undefined }
    if (forwarded.length <= 200) this.#known[slot] = { ...read, forwarded: ownText(forwarded) }
    return read
  }
}
