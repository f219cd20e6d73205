// A command of the admin's after a run: to tell a monitor, to purge a cache.

import { spawn } from 'node:child_process'

export type Hook = {
  /** For `sh -c`. */
  readonly command: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly limitMs: number
}

export type HookOutcome = { readonly code: number | undefined; readonly problem: string | undefined }

/** Its output is the run's own. Resolves always; after the limit it is ended, and all that it started. */
export function runHook({ command, environment, limitMs }: Hook): Promise<HookOutcome> {
  return new Promise((resolve) => {
    const child = spawn('sh', ['-c', command], { env: environment, stdio: ['ignore', 2, 2], detached: true })
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      endGroup(child.pid)
    }, limitMs)
    const done = (code: number | undefined, problem: string | undefined) => {
      clearTimeout(timer)
      resolve({ code, problem })
    }
    child.on('error', (error) => done(undefined, `it could not be started: ${error.message}`))
    child.on('exit', (code, signal) => {
      if (isLate) return done(undefined, `it was ended after ${Math.round(limitMs / 1000)} s`)
      if (code === 0) return done(0, undefined)
      done(code ?? undefined, code === null ? `it was ended by ${signal}` : `it ended with ${code}`)
    })
  })
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // It ended by itself meanwhile.
  }
}
