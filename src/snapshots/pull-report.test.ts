import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { makeDigest } from '#oci/digest.ts'
import { encodePullReport, maxPullReportBytes, PullReportRefused, parsePullReport } from './pull-report.ts'

const digest = (n: number) => makeDigest('sha256', n.toString(16).padStart(64, '0'))

test('a report comes back as it was', () => {
  const counts = fc.dictionary(fc.nat(1000).map(String), fc.integer({ min: 1, max: 1_000_000_000 }))
  fc.assert(
    fc.property(counts, fc.integer({ min: 0, max: 999_999 }), (entries, day) => {
      const report = {
        channel: 'stable',
        day,
        counts: new Map(Object.entries(entries).map(([n, pulls]) => [digest(Number(n)), pulls])),
      }
      expect(parsePullReport(encodePullReport(report))).toEqual(report)
    }),
  )
})

const good = `flotilla-pulls 1 stable 20500 2\n${digest(1)} 3\n${digest(2)} 1\n`

test('the good one that the table below spoils', () => {
  expect(parsePullReport(good)).toMatchObject({ channel: 'stable', day: 20_500 })
})

test.each([
  ['nothing', '', 'no header'],
  ['half of it', good.slice(0, -10), 'cut short'],
  ['a line less', good.slice(0, good.lastIndexOf('sha256')), '1 lines instead of 2'],
  ['a later format', good.replace(' 1 ', ' 2 '), 'format 2'],
  ['a channel that is none', good.replace('stable', '-'), 'wrong header'],
  ['a blob twice', good.replace(digest(2), digest(1)), 'twice'],
  ['no pulls', good.replace(' 3\n', ' 0\n'), 'wrong form'],
  ['pulls beyond belief', good.replace(' 3\n', ' 1000000001\n'), 'wrong form'],
  ['less than nothing', good.replace(' 3\n', ' -3\n'), 'wrong form'],
  ['a name that is no digest', good.replace('sha256:', '../../'), 'wrong form'],
  ['a third column', good.replace(' 3\n', ' 3 4\n'), 'wrong form'],
  ['an endless one', ' '.repeat(maxPullReportBytes + 1), 'longer than'],
])('refused: %s', (_, text, message) => {
  const parse = () => parsePullReport(text)
  expect(parse).toThrow(PullReportRefused)
  expect(parse).toThrow(message)
})
