import { describe, expect, test } from 'bun:test'
import pino from 'pino'
import { makeDigest } from '#oci/digest.ts'
import { evidenceLifeMs, maxEvidence, type ReportedEvidence } from '#snapshots/evidence-report.ts'
import type { Evidence } from '#stages/redirect/evidence.ts'
import { waitUntil } from '../../test/kit/wait-until.ts'
import { EvidenceOutbox } from './evidence-outbox.ts'

const log = pino({ level: 'silent' })
const digestOf = (i: number) => makeDigest('sha256', i.toString(16).padStart(64, '0'))
const resume = (hostId: number, prefixKey: number, atMs = 0): Evidence => ({
  kind: 'resume',
  hostId,
  digest: digestOf(1),
  prefixKey,
  atMs,
})

/** A mirror role that takes what is sent, or not, by a clock that the test moves. */
function outboxOf() {
  const told: ReportedEvidence[][] = []
  const about = { nowMs: 0, isAway: false, tries: 0 }
  const outbox = new EvidenceOutbox({
    log,
    now: () => about.nowMs,
    send: async (evidence) => {
      about.tries++
      if (about.isAway) throw new Error('nobody there')
      told.push([...evidence])
    },
  })
  return { outbox, told, about }
}

describe('evidence', () => {
  test('goes at once; what comes within the second goes as one report, the same of one network once', async () => {
    const { outbox, told, about } = outboxOf()
    outbox.add(resume(1, 10))
    await waitUntil(() => told.length === 1, { what: 'the first is told' })
    for (let i = 0; i < 50; i++) outbox.add(resume(1, 10 + (i % 3), i))
    outbox.add({ kind: 'miss', hostId: 1, digest: digestOf(1), prefixKey: 10, atMs: 0 })
    expect([told.length, outbox.size]).toEqual([1, 4])
    about.nowMs = 1000
    await outbox.stop()
    expect(told[1]?.map(({ kind, atMs }) => [kind, atMs])).toEqual([
      ['resume', 47],
      ['resume', 48],
      ['resume', 49],
      ['miss', 0],
    ])
  })

  test('that is weak is told once per host, whoever brings it', async () => {
    const { outbox } = outboxOf()
    for (const prefixKey of [10, 11, 12]) {
      outbox.add({ kind: 're-ask', hostId: 1, digest: digestOf(prefixKey), prefixKey, atMs: 0 })
    }
    expect(outbox.size).toBe(1)
    await outbox.stop()
  })

  test('of probes that passed stays here', async () => {
    const { outbox, told } = outboxOf()
    outbox.add({ kind: 'probe-passed', hostId: 1, digest: digestOf(1), atMs: 0 })
    expect(outbox.size).toBe(0)
    await outbox.stop()
    expect(told).toEqual([])
  })

  test('waits while nobody takes it, bounded, and the oldest is dropped first', async () => {
    const { outbox, told, about } = outboxOf()
    about.isAway = true
    outbox.add(resume(1, 0))
    for (let i = 1; i <= maxEvidence + 10; i++) outbox.add(resume(1, i))
    expect(outbox.size).toBe(maxEvidence)
    about.isAway = false
    await outbox.stop()
    expect([told[0]?.length, told[0]?.[0]]).toEqual([maxEvidence, expect.objectContaining({ prefixKey: 11 }) as never])
  })

  test('is told when they are back, newer beside older, and not what says nothing any more', async () => {
    const { outbox, told, about } = outboxOf()
    about.isAway = true
    outbox.add(resume(1, 10, 0))
    await waitUntil(() => about.tries === 1 && outbox.size === 1, { what: 'it was tried, and waits' })
    about.nowMs = evidenceLifeMs
    outbox.add(resume(2, 20, about.nowMs))
    outbox.add(resume(1, 10, about.nowMs))
    about.nowMs += 1
    outbox.add(resume(3, 30, 0))
    about.isAway = false
    await outbox.stop()
    expect(told.flat().map(({ hostId, atMs }) => [hostId, atMs])).toEqual([
      [2, evidenceLifeMs],
      [1, evidenceLifeMs],
    ])
  })

  test('after the stop is nobody’s', async () => {
    const { outbox, told } = outboxOf()
    await outbox.stop()
    outbox.add(resume(1, 10))
    expect([outbox.size, told.length]).toEqual([0, 0])
  })
})
