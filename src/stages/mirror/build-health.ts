// Liveness and circuits -> the health snapshot.

import type { HealthDocument, HostHealth } from '#snapshots/health.ts'
import type { HostLiveness } from './check-liveness.ts'
import type { StrikeBook } from './strikes.ts'

export type HealthFacts = {
  readonly liveness: readonly HostLiveness[]
  readonly strikes: Pick<StrikeBook, 'circuitOf' | 'reasonOf' | 'evidenceOf'>
  /** How long a host is shaky after a look at it failed. */
  readonly shakyMs?: number | undefined
}

/** Unchanged verdicts are told again after this long, so that readers can tell a calm fleet from a dead maker. */
const freshMs = 30_000
/** A host that failed is likelier to fail again than any other; after this long it counts as any other. */
const shakyMs = 600_000

/** The previous document itself when it still holds and is fresh. */
export function buildHealth(facts: HealthFacts, previous: HealthDocument | undefined, nowMs: number): HealthDocument {
  const hosts = facts.liveness.map((one) => healthOf(one, facts, nowMs)).sort((a, b) => a.id - b.id)
  const isFresh = previous !== undefined && nowMs - previous.builtAtMs < freshMs
  if (isFresh && verdictsOf(previous.hosts) === verdictsOf(hosts)) return previous
  return { format: 1, version: (previous?.version ?? 0) + 1, builtAtMs: nowMs, hosts }
}

function healthOf({ hostId, urls }: HostLiveness, facts: HealthFacts, nowMs: number): HostHealth {
  const { strikes } = facts
  const shakyAfterMs = nowMs - (facts.shakyMs ?? shakyMs)
  const alive = urls.filter(({ isAlive }) => isAlive)
  const failed = urls.find(({ isAlive }) => !isAlive)
  const circuit = strikes.circuitOf(hostId)
  return {
    id: hostId,
    isAlive: alive.length > 0,
    reason: circuit === 'closed' ? (alive.length > 0 ? undefined : failed?.reason) : strikes.reasonOf(hostId),
    checkedAtMs: Math.max(0, ...urls.map(({ checkedAtMs }) => checkedAtMs)),
    roundTripMs: alive.length > 0 ? Math.min(...alive.map(({ roundTripMs }) => roundTripMs)) : 0,
    families: [...new Set(alive.flatMap(({ families }) => families))].sort(),
    circuit,
    // Left out where it is not so: most hosts are calm, and the document travels.
    isShaky: urls.some(({ failedAtMs }) => failedAtMs !== undefined && failedAtMs > shakyAfterMs) || undefined,
    ...strikes.evidenceOf(hostId, nowMs),
  }
}

/** What readers act on; times of day and round trips change every round. */
function verdictsOf(hosts: readonly HostHealth[]): string {
  return JSON.stringify(
    hosts.map(({ id, isAlive, reason, families, circuit, isShaky, strikes, doubtSinceMs }) => {
      return [id, isAlive, reason, families, circuit, isShaky, strikes, doubtSinceMs]
    }),
  )
}
