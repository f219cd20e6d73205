// What front doors saw, sorted: a broken transfer or one of wrong bytes strikes its host, a blob that was missed is looked for, and a probe that failed for
// whatever blob is made again from here. Only what this role sees itself closes a host.

import type { ReportedEvidence } from '#snapshots/evidence-report.ts'
import type { HealthDocument } from '#snapshots/health.ts'
import type { MissChecks } from './check-misses.ts'
import type { FleetSnapshots, FleetWatch } from './fleet-watch.ts'

export type EvidenceParts = {
  readonly watch: FleetWatch
  readonly misses: Pick<MissChecks, 'check'>
  /** Writes documents that are newer than what front doors have. */
  readonly tell: (told: Partial<FleetSnapshots> & { readonly health: HealthDocument }) => Promise<void>
  readonly log: (error: unknown) => void
}

export function takeEvidence(evidence: readonly ReportedEvidence[], { watch, misses, tell, log }: EvidenceParts): void {
  const probes: Promise<HealthDocument | undefined>[] = []
  for (const one of evidence) {
    if (one.kind === 'resume' || one.kind === 'wrong-bytes') probes.push(watch.strike(one.hostId, one.prefixKey))
    else if (one.kind === 'probe-failed' && one.isHostWide) probes.push(watch.suspect(one.hostId))
    else void checkMiss(one, { watch, misses, tell, log }).catch(log)
  }
  if (probes.length === 0) return
  // Front doors hear of the doubt while the probe that it starts may take its time.
  tell({ health: watch.tellHealth() }).catch(log)
  for (const probe of probes) probe.then((health) => health && tell({ health })).catch(log)
}

async function checkMiss(
  one: Exclude<ReportedEvidence, { readonly kind: 'resume' | 'wrong-bytes' }>,
  { watch, misses, tell }: EvidenceParts,
): Promise<void> {
  const target = watch.targetOf(one.hostId)
  const sample = target && (await misses.check(target, one.digest))
  if (!sample) return
  const { verdict, fault } = sample
  // From now on it is asked for other blobs.
  if (verdict === 'lacking') return await tell(await watch.admit(one.hostId))
  if (verdict === 'wrong') {
    watch.fail(one.hostId, `${fault?.url}: ${fault?.came}`)
    return await tell(await watch.rebuild())
  }
  // It has the blob when we ask, and not when clients do.
  const isTwoFaced = verdict === 'good' && one.kind === 'miss'
  const health = await (isTwoFaced ? watch.strike(one.hostId, one.prefixKey) : watch.suspect(one.hostId))
  if (health) await tell({ health })
}
