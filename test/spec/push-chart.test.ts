// The charts of the push stage name tests: each must be there.

import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const chart = readFileSync(join(import.meta.dir, '../../src/stages/push/README.md'), 'utf8')
const files = 'access|blobs|connections|lists|manifests|mounts|names|referrers|storage|tokens|uploads'
const named = [...chart.matchAll(new RegExp(`(?<=[|(;] ?)\\b(${files}): ([^|;)]+)`, 'g'))].map(
  ([, file = '', title = '']) => [file, title.trim()] as const,
)

test('the charts name tests', () => {
  expect(named.length).toBeGreaterThan(25)
})

test.each(named)('%s: %s', (file, title) => {
  const text = readFileSync(join(import.meta.dir, `${file}.test.ts`), 'utf8')
  expect(text.split('\n').some((line) => /['"`]/.test(line) && line.includes(title))).toBe(true)
})
