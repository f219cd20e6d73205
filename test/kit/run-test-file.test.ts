import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { runTestFile } from './run-test-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'flotilla-runner-'))
afterAll(() => rmSync(folder, { recursive: true }))
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const head = "import { expect, test } from 'bun:test'\n"

test.each([
  ['passes', "test('a', () => {})\ntest.skip('b', () => {})", { passed: 1, failed: 0, skipped: 1, trouble: undefined }],
  ['fails', "test('a', () => expect(1).toBe(2))", { passed: 0, failed: 1, skipped: 0, trouble: undefined }],
  ['holds nothing', 'void expect', { failed: 1, trouble: 'ended with code 0 and without a report' }],
  [
    'leaves early',
    "test('a', () => process.exit(0))",
    { failed: 1, trouble: 'ended with code 0 and without a report' },
  ],
  ['crashes', "test('a', () => process.kill(process.pid, 'SIGSEGV'))", { failed: 1, trouble: 'ended by SIGSEGV' }],
  ['does not parse', 'test(', { passed: 0, failed: 1, skipped: 0 }],
  ['never ends', "test('a', () => new Promise(() => {}))", { failed: 1, trouble: 'did not end within 3 s' }],
])('a file that %s', async (name, source, expected) => {
  const file = join(folder, `${name.replaceAll(' ', '-')}.test.ts`)
  writeFileSync(file, head + source)
  // Only the file that never ends may meet its limit, however busy the machine is.
  const perFileMs = name === 'never ends' ? 3_000 : 50_000
  const verdict = await runTestFile(relative('.', file), `${file}.xml`, { perTestMs: 60_000, perFileMs })
  expect(verdict).toMatchObject(expected)
})

test('a file whose tool is missing says so and counts as skipped', async () => {
  const file = join(folder, 'needs.test.ts')
  const kit = join(import.meta.dir, 'need-tool.ts')
  const source = `import { describeWith } from '${kit}'
    describeWith('flying', ['bash', 'no-such-program'])('flying', () => test('a', () => {}))
    describeWith('walking', ['bash'])('walking', () => test('a', () => {}))`
  writeFileSync(file, head + source)
  const verdict = await runTestFile(relative('.', file), `${file}.xml`, { perTestMs: 60_000, perFileMs: 20_000 })
  expect(verdict).toMatchObject({ passed: 1, failed: 0, skipped: 1 })
  expect(verdict.output).toContain('SKIPPED: flying: no-such-program not installed\n')
})

test('a server that the file left behind ends with it', async () => {
  const file = join(folder, 'forgets.test.ts')
  const source = `import { spawn } from 'node:child_process'
    test('a', () => console.log('left', spawn('sleep', ['300'], { stdio: 'inherit' }).pid))`
  writeFileSync(file, head + source)
  const verdict = await runTestFile(relative('.', file), `${file}.xml`, { perTestMs: 60_000, perFileMs: 20_000 })
  const left = Number(/left (\d+)/.exec(verdict.output)?.[1])
  expect(verdict.passed).toBe(1)
  expect(left).toBeGreaterThan(0)
  while (isAlive(left)) await Bun.sleep(10)
})
