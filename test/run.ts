// `npm test`: every test file as a process of its own, one sum at the end. Arguments choose files by a part of their path.

import { globSync } from 'node:fs'
import { cpus } from 'node:os'
import { describeVersions, installMissingPackages } from './kit/debian-packages.ts'
import { addCounts, type TestCounts } from './kit/junit.ts'
import { type FileLimits, type FileVerdict, killRunningTestFiles, runTestFile } from './kit/run-test-file.ts'

type Kind = { readonly patterns: readonly string[]; readonly atOnce: number; readonly limits: FileLimits }

const kinds: readonly Kind[] = [
  {
    patterns: ['test/*.test.ts', 'test/kit/**/*.test.ts', 'src/**/*.test.ts'],
    atOnce: Math.max(2, Math.min(8, cpus().length)),
    limits: { perTestMs: 60_000, perFileMs: 300_000 },
  },
  {
    patterns: ['test/flow/*.test.ts', 'test/spec/*.test.ts', 'test/faults/*.test.ts', 'test/acceptance/*.test.ts'],
    atOnce: 1,
    limits: { perTestMs: 600_000, perFileMs: 1_800_000 },
  },
]

const isCi = process.env.CI === 'true'

function listFiles(kind: Kind, filters: readonly string[]): string[] {
  const files = kind.patterns.flatMap((pattern) => globSync(pattern).sort())
  return filters.length === 0 ? files : files.filter((file) => filters.some((filter) => file.includes(filter)))
}

function report(file: string, verdict: FileVerdict, tookMs: number): void {
  const isFailure = verdict.failed > 0
  const counts = `${verdict.passed} passed${verdict.skipped > 0 ? `, ${verdict.skipped} skipped` : ''}`
  console.log(`${isFailure ? 'FAIL' : 'ok  '} ${file}  ${counts}  ${(tookMs / 1000).toFixed(1)} s`)
  if (isFailure) {
    console.log(verdict.output.trimEnd().replace(/^/gm, '  | '))
    if (verdict.trouble !== undefined) console.log(`  | ${file} ${verdict.trouble}`)
  } else {
    for (const line of verdict.output.split('\n')) if (line.startsWith('SKIPPED: ')) console.log(line)
  }
}

async function runKind(kind: Kind, filters: readonly string[]): Promise<TestCounts> {
  const waiting = listFiles(kind, filters)
  let counts: TestCounts = { passed: 0, failed: 0, skipped: 0 }
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const startedMs = performance.now()
      const verdict = await runTestFile(file, `test/results/junit/${file.replaceAll('/', '.')}.xml`, kind.limits)
      report(file, verdict, performance.now() - startedMs)
      counts = addCounts(counts, verdict)
    }
  }
  await Promise.all(Array.from({ length: kind.atOnce }, work))
  return counts
}

process.chdir(new URL('..', import.meta.url).pathname)
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    killRunningTestFiles()
    process.exit(1)
  })
}

const filters = process.argv.slice(2)
installMissingPackages((line) => console.log(line))
console.log(describeVersions())
let sum: TestCounts = { passed: 0, failed: 0, skipped: 0 }
for (const kind of kinds) sum = addCounts(sum, await runKind(kind, filters))
if (sum.passed + sum.failed + sum.skipped === 0) {
  console.log(`no test file matches ${filters.join(' ')}`)
  process.exitCode = 2
} else {
  if (isCi && sum.skipped > 0) console.log('CI=true: a skipped test fails the run')
  console.log(`${sum.passed} passed, ${sum.failed} failed${sum.skipped > 0 ? `, ${sum.skipped} skipped` : ''}`)
  process.exitCode = sum.failed > 0 || (isCi && sum.skipped > 0) ? 1 : 0
}
