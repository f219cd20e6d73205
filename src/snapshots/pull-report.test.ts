import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { makeDigest } from '#oci/digest.ts'
import { encodePullReport, maxPullReportBytes, PullReportRefused, parsePullReport } from './pull-report.ts'
import { measures, otherSubject, subjectKinds, unknownSubject } from './statistics.ts'

const digest = (n: number) => makeDigest('sha256', n.toString(16).padStart(64, '0'))
const source = 'ab'.repeat(16)

test('a report comes back as it was', () => {
  const counts = fc.dictionary(fc.nat(1000).map(String), fc.integer({ min: 1, max: 1_000_000_000 }))
  const subject = fc.oneof(
    fc.constantFrom('DE', 'mirror.example.org', 'fedora/base', 'fedora/base:latest', otherSubject, unknownSubject),
    fc.stringMatching(/^[a-z0-9]{1,20}$/),
  )
  const row = fc.record({
    kind: fc.constantFrom(...subjectKinds),
    subject,
    values: fc.array(fc.integer({ min: 0, max: 10 ** 15 }), { minLength: measures.length, maxLength: measures.length }),
  })
  const rows = fc.uniqueArray(row, { selector: ({ kind, subject }) => `${kind} ${subject}`, maxLength: 20 })
  fc.assert(
    fc.property(counts, rows, fc.integer({ min: 1, max: 999_999 }), (entries, statistics, sequence) => {
      const report = {
        channel: 'stable',
        source,
        sequence,
        atMs: 1_800_000_000_000 + sequence,
        counts: new Map(Object.entries(entries).map(([n, pulls]) => [digest(Number(n)), pulls])),
        statistics,
      }
      expect(parsePullReport(encodePullReport(report))).toEqual(report)
    }),
  )
})

const numbers = '1 5 0 0 0 0 0 0 0 0 2 0 0'
const good = `flotilla-pulls 2 stable ${source} 7 1800000000000 2 2
${digest(1)} 3
${digest(2)} 1
host mirror.example.org ${numbers}
country (unknown) ${numbers}
`

test('the good one that the table below spoils', () => {
  expect(parsePullReport(good)).toMatchObject({ channel: 'stable', sequence: 7, statistics: [{ kind: 'host' }, {}] })
})

test.each([
  ['nothing', '', 'no header'],
  ['half of it', good.slice(0, -10), 'cut short'],
  ['a line less', good.slice(0, good.lastIndexOf('country')), '3 lines instead of 4'],
  ['another format', good.replace('pulls 2 ', 'pulls 3 '), 'format 3'],
  ['a channel that is none', good.replace('stable', '-'), 'wrong header'],
  ['no number', good.replace(' 7 ', ' 0 '), 'wrong header'],
  ['a source that is none', good.replace(source, '../etc'), 'wrong header'],
  ['a blob twice', good.replace(digest(2), digest(1)), 'twice'],
  ['no pulls', good.replace(' 3\n', ' 0\n'), 'wrong form'],
  ['pulls beyond belief', good.replace(' 3\n', ' 1000000001\n'), 'wrong form'],
  ['less than nothing', good.replace(' 3\n', ' -3\n'), 'wrong form'],
  ['a name that is no digest', good.replace('sha256:', '../../'), 'wrong form'],
  ['a third column', good.replace(' 3\n', ' 3 4\n'), 'wrong form'],
  ['a row twice', good.replace('country (unknown)', 'host mirror.example.org'), 'twice'],
  ['a row of an unknown kind', good.replace('country', 'planet'), 'row of a wrong form'],
  ['a row without a subject', good.replace('(unknown)', '<b>'), 'row of a wrong form'],
  ['a row with a number less', good.replace('1 5 0', '1 5'), 'row of a wrong form'],
  ['a row with half an answer', good.replace('1 5', '0.5 5'), 'row of a wrong form'],
  ['an endless one', ' '.repeat(maxPullReportBytes + 1), 'longer than'],
])('refused: %s', (_, text, message) => {
  const parse = () => parsePullReport(text)
  expect(parse).toThrow(PullReportRefused)
  expect(parse).toThrow(message)
})
