// One test file, one process, one verdict. A crash, a missing report, a time limit or no test at all is a failure.

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseJunit, type TestCounts } from './junit.ts'

export type FileLimits = { readonly perTestMs: number; readonly perFileMs: number }
export type FileVerdict = TestCounts & { readonly output: string; readonly trouble: string | undefined }

const running = new Set<ChildProcess>()

/** A test file leads a process group of its own, so that servers it forgot end with it. */
function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  } catch {} // the group is gone already
}

export function killRunningTestFiles(): void {
  for (const child of running) killGroup(child)
}

function readCounts(reportFile: string): TestCounts | undefined {
  try {
    return parseJunit(readFileSync(reportFile, 'utf8'))
  } catch {
    return undefined
  }
}

type Ended = { readonly output: string; readonly code: number | null; readonly signal: string | null }

function runToEnd(args: readonly string[], perFileMs: number): Promise<Ended & { readonly isLate: boolean }> {
  const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  const chunks: Buffer[] = []
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk))
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    killGroup(child)
  }, perFileMs)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    // 'exit' and not 'close': a forgotten server that holds the pipe open must not hold the run.
    child.on('exit', (code, signal) => {
      clearTimeout(timer)
      running.delete(child)
      killGroup(child)
      setImmediate(() => resolve({ output: Buffer.concat(chunks).toString(), code, signal, isLate }))
    })
  })
}

export async function runTestFile(file: string, reportFile: string, limits: FileLimits): Promise<FileVerdict> {
  mkdirSync(dirname(reportFile), { recursive: true })
  rmSync(reportFile, { force: true })
  const report = ['--reporter=junit', `--reporter-outfile=${reportFile}`, `--timeout=${limits.perTestMs}`]
  const ended = await runToEnd(['test', ...report, `./${file}`], limits.perFileMs)
  const { output, code, signal } = ended
  const counts = readCounts(reportFile)
  const failure = (trouble: string): FileVerdict => {
    const known = counts ?? { passed: 0, failed: 0, skipped: 0 }
    return { ...known, failed: Math.max(1, known.failed), output, trouble }
  }
  if (ended.isLate) return failure(`did not end within ${limits.perFileMs / 1000} s`)
  if (signal !== null) return failure(`ended by ${signal}`)
  if (counts === undefined) return failure(`ended with code ${code} and without a report`)
  if (counts.passed + counts.failed + counts.skipped === 0) return failure('holds no test')
  if (code !== 0 && counts.failed === 0) return failure(`ended with code ${code} though no test failed`)
  return { ...counts, output, trouble: undefined }
}
