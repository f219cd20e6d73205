// Programs under test: started with their output kept, stopped by pid, never by name.

import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, readFileSync } from 'node:fs'

export type Environment = Readonly<Record<string, string | undefined>>
export type RunOptions = {
  readonly cwd?: string
  readonly env?: Environment
  readonly input?: string | Uint8Array
  readonly limitMs?: number
}
export type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string }

export type RunningProcess = AsyncDisposable & {
  readonly pid: number
  readonly exited: Promise<number>
  isRunning(): boolean
  /** What it wrote so far. */
  output(): string
  signal(name: NodeJS.Signals): void
  /** TERM, then KILL when that took too long. */
  stop(limitMs?: number): Promise<number>
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code, signal) => resolve(signal === null ? (code ?? 1) : 128))
  })
}

function tail(file: string): string {
  return readFileSync(file, 'utf8').split('\n').slice(-20).join('\n')
}

export function startProcess(
  command: string,
  args: readonly string[],
  options: { readonly logFile: string; readonly cwd?: string; readonly env?: Environment },
): RunningProcess {
  const log = createWriteStream(options.logFile, { flags: 'a' })
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stdout?.pipe(log, { end: false })
  child.stderr?.pipe(log, { end: false })
  let isRunning = true
  let isToldToEnd = false
  const exited = exitOf(child).finally(() => {
    isRunning = false
  })
  exited.then(
    (code) => {
      if (!isToldToEnd)
        console.error(`${command} ended by itself, code ${code}; it last wrote:\n${tail(options.logFile)}`)
    },
    () => undefined,
  )
  const stop = async (limitMs = 20_000) => {
    if (!isRunning) return exited
    isToldToEnd = true
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMs)
    return exited.finally(() => clearTimeout(timer))
  }
  return {
    pid: child.pid ?? 0,
    exited,
    isRunning: () => isRunning,
    output: () => readFileSync(options.logFile, 'utf8'),
    signal(name) {
      isToldToEnd = true
      child.kill(name)
    },
    stop,
    [Symbol.asyncDispose]: async () => void (await stop()),
  }
}

/** Runs a program to its end and gives back what it said, whatever its code. */
export async function runProgram(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.limitMs ?? 300_000,
    killSignal: 'SIGKILL',
  })
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.input)
  const code = await exitOf(child)
  return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }
}

/** As runProgram, but a code other than 0 throws with everything it said; returns its standard output. */
export async function mustRun(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const ended = await runProgram(command, args, options)
  if (ended.code !== 0) {
    throw new Error(`${command} ${args.join(' ')} ended with ${ended.code}:\n${ended.stdout}${ended.stderr}`)
  }
  return ended.stdout
}
