import { describe, expect, test } from 'bun:test'
import { makeDigest } from '#oci/digest.ts'
import {
  EvidenceRefused,
  encodeEvidence,
  evidenceLifeMs,
  maxEvidence,
  maxEvidenceReportBytes,
  parseEvidence,
  type ReportedEvidence,
} from './evidence-report.ts'

const digest = makeDigest('sha256', 'ab'.repeat(32))
const nowMs = 1_800_000_000_000
const resume: ReportedEvidence = { kind: 'resume', hostId: 7, digest, prefixKey: 0xc6330000, atMs: nowMs - 120 }
const failed: ReportedEvidence = {
  kind: 'probe-failed',
  hostId: 8,
  digest,
  reason: 'answered 500 instead of 206',
  isHostWide: true,
  atMs: nowMs,
}

describe('a report', () => {
  test('comes as it was sent, by the clock of whoever takes it', () => {
    const evidence = [resume, { ...resume, kind: 'miss' as const, prefixKey: 2 ** 48 + 1 }, failed]
    expect(parseEvidence(encodeEvidence(evidence, nowMs), nowMs)).toEqual(evidence)
    const hourLater = nowMs + 3_600_000
    expect(parseEvidence(encodeEvidence([resume], nowMs), hourLater)).toEqual([{ ...resume, atMs: hourLater - 120 }])
  })

  test('of what is to come tells of now, and what is old is left out', () => {
    const future = { ...resume, atMs: nowMs + 86_400_000 }
    const old = { ...resume, atMs: nowMs - evidenceLifeMs - 1 }
    expect(parseEvidence(encodeEvidence([future, old], nowMs), nowMs)).toEqual([{ ...resume, atMs: nowMs }])
    const forged = `{"format":1,"evidence":[{"kind":"resume","hostId":7,"digest":"${digest}","prefixKey":1,"agoMs":-9e15}]}`
    expect(parseEvidence(forged, nowMs)).toMatchObject([{ atMs: nowMs }])
  })

  test('is bounded: of too much the newest is sent, and it fits with the longest reasons', () => {
    const many = Array.from({ length: maxEvidence + 5 }, (_, i) => ({
      ...failed,
      hostId: i + 1,
      reason: 'x'.repeat(9_999),
    }))
    const text = encodeEvidence(many, nowMs)
    expect(Buffer.byteLength(text)).toBeLessThan(maxEvidenceReportBytes)
    const parsed = parseEvidence(text, nowMs)
    expect([parsed.length, parsed[0]!.hostId]).toEqual([maxEvidence, 6])
  })

  const row = (about: object) => ({ kind: 'resume', hostId: 7, digest, prefixKey: 1, agoMs: 0, ...about })
  const report = (about: object) => JSON.stringify({ format: 1, evidence: [row({}), row(about)] })
  test.each<[string, string]>([
    ['no JSON', '{'],
    ['no object', '[]'],
    ['another format', JSON.stringify({ format: 2, evidence: [] })],
    ['no list', JSON.stringify({ format: 1, evidence: {} })],
    ['more beside it', JSON.stringify({ format: 1, evidence: [], more: 1 })],
    ['too much', JSON.stringify({ format: 1, evidence: Array(maxEvidence + 1).fill(row({})) })],
    ['an unknown kind', report({ kind: 'close' })],
    ['a kind of no report', report({ kind: 'probe-passed' })],
    ['host 0', report({ hostId: 0 })],
    ['half a host', report({ hostId: 1.5 })],
    ['a host by name', report({ hostId: '7' })],
    ['a host beyond numbers', report({ hostId: 2 ** 60 })],
    ['a digest cut short', report({ digest: digest.slice(0, -1) })],
    ['a path as digest', report({ digest: '../../etc/passwd' })],
    ['no digest', report({ digest: undefined })],
    ['a negative network', report({ prefixKey: -1 })],
    ['no network', report({ prefixKey: undefined })],
    ['no time', report({ agoMs: null })],
    ['a time in words', report({ agoMs: 'now' })],
    ['an unknown field', report({ weight: 100 })],
    ['a prototype', `{"format":1,"evidence":[{"__proto__":{},"kind":"resume","hostId":7}]}`],
    ['a failed probe without a scope', report({ kind: 'probe-failed', prefixKey: undefined, reason: 'x' })],
    [
      'an endless reason',
      report({ kind: 'probe-failed', prefixKey: undefined, isHostWide: true, reason: 'x'.repeat(501) }),
    ],
  ])('with %s is refused whole', (_, text) => {
    expect(() => parseEvidence(text, nowMs)).toThrow(EvidenceRefused)
  })
})
