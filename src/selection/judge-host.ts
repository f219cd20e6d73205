// Whether a host suits: the one set of predicates behind ranking and explaining. It answers with a number, so that the hot path
// makes no text; `describeVerdict` puts it in words for the host's admin.

import type { Candidate, Exceptions, IndexedHost } from '#snapshots/index-placement.ts'
import type { Draw, Fleet, SelectionClient, WantedBlob } from './client.ts'

export const verdicts = [
  'suits',
  'excluded',
  'unprobed',
  'dead',
  'circuit-open',
  'draining',
  'no-url',
  'http-only',
  'other-family',
  'generation-behind',
  'blob-missing',
  'not-gold',
  'on-probation',
  'other-country',
  'private',
] as const

export type Verdict = (typeof verdicts)[number]
type Code = number

const suits: Code = 0
const code = Object.fromEntries(verdicts.map((verdict, i) => [verdict, i])) as Record<Verdict, Code>

export type Question = {
  readonly fleet: Fleet
  readonly client: SelectionClient
  readonly blob: WantedBlob
  readonly draw: Draw
  /** Where this blob departs from the hosts' generations; undefined: nowhere. */
  readonly exceptions: Exceptions | undefined
}

export function questionOf(fleet: Fleet, client: SelectionClient, blob: WantedBlob, draw: Draw): Question {
  return { fleet, client, blob, draw, exceptions: fleet.placement.exceptions.get(blob.digest) }
}

/** `generation`: up to which the host is proven. */
export function holds(id: number, generation: number, { blob, exceptions }: Question): boolean {
  return blob.generation <= generation
    ? exceptions === undefined || !exceptions.missing.has(id)
    : exceptions?.extra.has(id) === true
}

/** Whether a host serves the country that the client is in. */
export function servesCountry(indexed: IndexedHost, client: SelectionClient): boolean {
  if (indexed.allowedCountries.size === 0) return true
  return client.country !== undefined && indexed.allowedCountries.has(client.country)
}

/** The address to send this client to: https for https if there is one, and http for https only where that is allowed. */
export function candidateOf(indexed: IndexedHost, client: SelectionClient, draw: Draw): Candidate | undefined {
  return client.isTls ? (indexed.https ?? (draw.allowHttpHosts ? indexed.any : undefined)) : indexed.any
}

/** 0 when it suits clients of this kind, whatever the blob and the country; else the index of the verdict. */
export function judgeStanding(
  indexed: IndexedHost,
  { fleet, client, draw }: Pick<Question, 'fleet' | 'client' | 'draw'>,
): Code {
  const { host } = indexed
  if (host.excluded !== undefined) return code.excluded
  const health = fleet.health.byId.get(host.id)
  if (!health) return code.unprobed
  if (!health.isAlive) return code.dead
  if (health.circuit !== 'closed') return health.circuit === 'open' ? code['circuit-open'] : code.draining
  if (!candidateOf(indexed, client, draw)) return indexed.any ? code['http-only'] : code['no-url']
  if ((indexed.families & (client.address.family === 4 ? 1 : 2)) === 0) return code['other-family']
  if (health.families && !health.families.includes(client.address.family)) return code['other-family']
  if (host.grade !== 'gold') {
    if (client.kind === 'fragile') return code['not-gold']
    if (host.grade === 'probation' && client.kind !== 'forgiving') return code['on-probation']
  }
  return suits
}

/** 0 when it suits, else the index of the verdict. `isOwnNetwork`: a netblock that the host declared itself outranks what an
 *  address database says about countries. */
export function judgeHost(indexed: IndexedHost, question: Question, isOwnNetwork: boolean): Code {
  const standing = judgeStanding(indexed, question)
  if (standing !== suits) return standing
  const { id, generation } = indexed.host
  if (!holds(id, generation, question))
    return question.blob.generation > generation ? code['generation-behind'] : code['blob-missing']
  return isOwnNetwork || servesCountry(indexed, question.client) ? suits : code['other-country']
}

export function describeVerdict(indexed: IndexedHost, verdict: Verdict, { fleet, client, blob }: Question): string {
  const { host } = indexed
  const health = fleet.health.byId.get(host.id)
  const family = `IPv${client.address.family}`
  switch (verdict) {
    case 'suits':
      return 'it suits'
    case 'excluded':
      return host.excluded!
    case 'unprobed':
      return 'no probe has reached it yet'
    case 'dead':
      return health?.reason ?? 'the last probes failed'
    case 'circuit-open':
      return `its circuit is open: ${health?.reason ?? 'a probe failed'}`
    case 'draining':
      return 'it is draining: clients failed there; it comes back after whole reads have passed'
    case 'no-url':
      return 'it has no address for this channel'
    case 'http-only':
      return 'it speaks only http, and the client came over https'
    case 'other-family':
      return `it is not proven to answer over ${family}`
    case 'generation-behind':
      return `it is proven up to generation ${host.generation}; the blob came with ${blob.generation}`
    case 'blob-missing':
      return 'it lacks this blob, or holds it wrong'
    case 'not-gold':
      return `it is graded ${host.grade}; clients that cannot retry meet gold hosts only`
    case 'on-probation':
      return 'it is on probation; only clients that retry meet it'
    case 'other-country':
      return `it serves ${[...indexed.allowedCountries].join(', ')}; the client is in ${client.country ?? 'no known country'}`
    case 'private':
      return 'it is private, and the client is in none of its netblocks'
  }
}
