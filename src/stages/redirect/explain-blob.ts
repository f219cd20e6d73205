// The whole decision for an address and a blob as data: what would be answered now, by which step, and why each host is used or not.
// It asks nobody and changes nothing.
import { formatAddress, parseAddress, prefixKey } from '#kit/address.ts'
import type { Digest } from '#oci/digest.ts'
import type { ClientKind, SelectionClient } from '#selection/client.ts'
import { type Explanation, explainHosts } from '#selection/explain-hosts.ts'
import type { TierName } from '#selection/tiers.ts'
import type { View } from '#snapshots/holder.ts'
import type { PublishedBlob } from '#snapshots/publication.ts'
import { shapeOf } from './asks.ts'
import type { Asked, OriginReason } from './choose-host.ts'
import { drawOptions, isFleetFresh } from './choose-options.ts'
import type { ClientMode } from './client-kind.ts'
import type { Step } from './decision.ts'
import type { FrontDoor } from './front-door.ts'
import { type Outcome, previewChoice } from './preview-choice.ts'
import type { ProofState } from './proofs.ts'
import { decisionText, tierOf } from './tell-decision.ts'

export type ExplainAsk = {
  readonly ip: string
  readonly digest: Digest
  readonly userAgent?: string | undefined
  readonly range?: string | undefined
  readonly isTls?: boolean | undefined
  /** Default: GET. */
  readonly method?: 'GET' | 'HEAD' | undefined
  /** The time to decide for; by default now. The same time and snapshots give the same answer. */
  readonly atMs?: number
}

export type ExplainedCandidate = {
  readonly id: number
  readonly name: string
  readonly url: string
  /** unproven: the client would be held while it is probed. bad: our own last probe failed. */
  readonly state: ProofState
  /** The client was sent there a moment ago. */
  readonly isTried: boolean
  readonly tier: TierName
  /** From the middle of the client's country; undefined when one of the two places is not known. */
  readonly distanceKm: number | undefined
  /** False: it is busy with what this front door gave it. */
  readonly hasRoom: boolean
}

export type ExplainedBlob = {
  readonly step: Step
  /** In words, with the host or the reason. */
  readonly answer: string
  /** As the header `Flotilla-Decision` has it; of a client that is held, what is known before the probes. */
  readonly decision: string
  readonly digest: Digest
  readonly generation: number
  readonly blob:
    | { readonly sizeBytes: number; readonly generation: number; readonly repositories: readonly string[] }
    | undefined
  readonly client: {
    readonly address: string
    readonly country: string | undefined
    readonly asn: number | undefined
    readonly kind: ClientKind
    readonly mode: ClientMode
    readonly isTls: boolean
  }
  /** False: health or placement is old, so every pair is probed before it is used. */
  readonly isFleetFresh: boolean
  readonly candidates: readonly ExplainedCandidate[]
  readonly hosts: Explanation | undefined
}

/** Undefined when `ip` is no address. */
export function explainBlob(ask: ExplainAsk, front: FrontDoor): ExplainedBlob | undefined {
  const address = parseAddress(ask.ip)
  if (!address) return undefined
  const { places, holder, now } = front.parts
  const view = holder.current
  const client: SelectionClient = {
    address,
    prefixKey: prefixKey(address),
    country: places.countryOf(address),
    asn: places.asnOf(address),
    kind: front.classOf(ask.userAgent).kind,
    isTls: (ask.isTls ?? false) || front.options.isBehindTls,
  }
  const { country, asn, kind, isTls } = client
  const found = findPublished(view, ask.digest)
  const about = {
    digest: ask.digest,
    generation: view.publication?.generation ?? 0,
    blob: found && {
      sizeBytes: found.blob.sizeBytes,
      generation: found.blob.generation,
      repositories: found.repositories,
    },
    client: { address: formatAddress(address), country, asn, kind, mode: front.classOf(ask.userAgent).mode, isTls },
    isFleetFresh: isFleetFresh(view.fleet, front.options.choose, ask.atMs ?? now()),
    candidates: [],
    hosts: undefined,
  }
  const plain = (step: Step, answer: string) => ({ ...about, step, answer, decision: decisionText({ step }) })
  if (!found) return plain('unknown', 'no published repository has this blob')
  const withdrawn = view.withdrawals.reasons.get(ask.digest)
  if (withdrawn !== undefined) return plain('withdrawn', `refused: ${withdrawn}`)
  if (ask.method === 'HEAD') return plain('told', 'told about from here, without bytes')
  if (found.blob.small) return plain('packed', 'served from here: it is small, so no host has it')
  if (found.blob.isConfig) return plain('config', "from here or the origin: it is an image's config")
  if (found.blob.sizeBytes === 0) {
    const decision = decisionText({ step: 'origin', reason: 'empty' })
    return { ...about, step: 'origin', answer: 'from the origin: it is empty', decision }
  }
  const asked = {
    fleet: view.fleet,
    client,
    blob: found.blob,
    range: ask.range,
    userAgent: ask.userAgent,
    nowMs: ask.atMs ?? now(),
  }
  return { ...about, ...explainChoice(asked, front) }
}

function findPublished(
  view: View,
  digest: Digest,
): { readonly blob: PublishedBlob; readonly repositories: string[] } | undefined {
  let blob: PublishedBlob | undefined
  const repositories: string[] = []
  for (const repository of view.publication?.publication.repositories.values() ?? []) {
    const there = repository.blobs.get(digest) ?? asSmallBlob(repository.manifests.get(digest))
    if (!there) continue
    blob = there
    repositories.push(repository.name)
  }
  return blob && { blob, repositories }
}

function asSmallBlob(manifest: { digest: Digest; sizeBytes: number; bytes: PublishedBlob['small'] } | undefined) {
  if (!manifest) return undefined
  const { digest, sizeBytes, bytes } = manifest
  return { digest, sizeBytes, generation: 0, small: bytes, isConfig: false }
}

function explainChoice(
  asked: Asked,
  front: FrontDoor,
): Pick<ExplainedBlob, 'step' | 'answer' | 'decision' | 'candidates' | 'hosts'> {
  const { fleet, client, blob, nowMs } = asked
  const { headroom } = front
  const hosts = explainHosts(fleet, client, blob, { ...drawOptions(front.options.choose, nowMs), headroom })
  const told = new Map(hosts.tiers.flatMap(({ tier, hosts: there }) => there.map((one) => [one.id, { ...one, tier }])))
  const { candidates: previewed, outcome } = previewChoice(asked, front)
  const candidates = previewed.map(({ candidate: { host, url }, ...more }) => {
    const { tier, distanceKm, hasRoom } = told.get(host.id)!
    return { id: host.id, name: host.name, url, ...more, tier, distanceKm, hasRoom }
  })
  return { candidates, hosts, ...explainAnswer(outcome, asked, front) }
}

type Explained = Pick<ExplainedBlob, 'step' | 'answer' | 'decision'>

function explainAnswer(outcome: Outcome, asked: Asked, front: FrontDoor): Explained {
  const { mode } = front.classOf(asked.userAgent)
  if (mode === 'origin') return explainOrigin('policy')
  if (mode === 'stream') return explainStream(asked, front)
  const isStreamed =
    outcome.step === 'origin' &&
    outcome.reason !== 'after-round' &&
    asked.client.kind === 'fragile' &&
    front.options.streams.isForFragile
  return isStreamed ? explainStream(asked, front) : explainOutcome(outcome, asked, front)
}

const originReasons: Readonly<Record<OriginReason | 'policy' | 'part', string>> = {
  'no-host': 'no host suits',
  'not-proven': 'the last probes of every host failed',
  'after-round': 'the client was sent to every host already',
  'too-many-held': 'too many clients are held already',
  policy: 'its class is kept there',
  part: 'a part cannot be checked',
}

function explainOrigin(reason: OriginReason | 'policy' | 'part'): Explained {
  const step = 'origin'
  return { step, decision: decisionText({ step, reason }), answer: `from the origin: ${originReasons[reason]}` }
}

function explainOutcome(outcome: Outcome, asked: Asked, { chooser }: FrontDoor): Explained {
  const { step } = outcome
  if (step === 'origin') return explainOrigin(outcome.reason)
  if (step === 'held') {
    const names = outcome.candidates.map(({ host }) => host.name).join(', ')
    const answer = `held while these are probed, then 307 to the first that passes: ${names}`
    return { step, decision: decisionText({ step }), answer }
  }
  const { candidate } = outcome
  const tier = tierOf(asked.fleet.placement, asked.client, candidate)
  const proof = chooser.proofOf(candidate, asked)
  const decision = decisionText({ step, host: candidate.host.name, tier, proof })
  return { step, decision, answer: `307 to ${candidate.url}${step === 'same' ? ', as the other parts' : ''}` }
}

function explainStream(asked: Asked, front: FrontDoor): Explained {
  if (shapeOf(asked.range) !== 'plain') return explainOrigin('part')
  const names = front.chooser.listSources(asked).map(({ host }) => host.name)
  if (names.length === 0) return explainOrigin('no-host')
  const step = 'stream'
  const answer = `through here from the first that answers, and on from the next: ${names.join(', ')}`
  return { step, decision: decisionText({ step }), answer }
}
