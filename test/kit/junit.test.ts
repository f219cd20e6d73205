import { expect, test } from 'bun:test'
import { parseJunit } from './junit.ts'

const report = (attributes: string) => `<?xml version="1.0"?>
<testsuites name="bun test" ${attributes} time="0.06">
  <testsuite name="a.test.ts" tests="99" failures="99" skipped="99"></testsuite>
</testsuites>`

test.each([
  ['a report', report('tests="6" assertions="2" failures="1" skipped="3"'), { passed: 2, failed: 1, skipped: 3 }],
  ['no test at all', report('tests="0" assertions="0" failures="0" skipped="0"'), { passed: 0, failed: 0, skipped: 0 }],
  ['a count is missing', report('tests="6"'), undefined],
  ['cut short', report('tests="6" failures="0" skipped="0"').slice(0, 100), undefined],
  ['empty', '', undefined],
])('%s', (_, xml, expected) => {
  expect(parseJunit(xml)).toEqual(expected)
})
