// Kills a running Flotilla at random moments of its work, over and over on one data folder, and looks at what is left.

import { type Flotilla, startFlotilla } from './flotilla.ts'
import type { Environment } from './process.ts'

/** What the work tells of itself while it runs. */
export type Hammer = {
  /** Whether the server was killed: the work then ends, and an error is no news. */
  isOver(): boolean
  /** Wraps a request; counts as work under way until it is answered. */
  doing<T>(request: () => Promise<T>): Promise<T>
}

export type KillLoop = {
  readonly folder: string
  readonly kills: number
  readonly env: Environment
  /** Kills come this long after the work began, at most. */
  readonly withinMs: number
  /** Once, on the first server, without kills. */
  prepare(server: Flotilla): Promise<void>
  /** One worker's endless work; an error after the kill ends it. */
  readonly work: readonly ((server: Flotilla, hammer: Hammer) => Promise<void>)[]
  /** After each kill, before the restart: what lies there now is what the kill left. */
  afterKill?(): Promise<void>
  /** After each restart, before the work goes on; `round` counts the kills that were survived. */
  check(server: Flotilla, round: number): Promise<void>
}

export type KillReport = {
  readonly kills: number
  /** Kills that met at least one request under way. */
  readonly inside: number
  readonly startMs: readonly number[]
}

export async function surviveKills(loop: KillLoop): Promise<KillReport> {
  const startMs: number[] = []
  const start = async () => {
    const beganMs = performance.now()
    const env = { FLOTILLA_DEMO: '0', FLOTILLA_LOG: 'warn', ...loop.env }
    const server = await startOnFreePorts(() => startFlotilla({ folder: loop.folder, env }))
    startMs.push(performance.now() - beganMs)
    return server
  }
  let inside = 0
  let server = await start()
  try {
    await loop.prepare(server)
    for (let round = 1; round <= loop.kills; round++) {
      inside += (await killAtWork(server, loop)) > 0 ? 1 : 0
      await loop.afterKill?.()
      server = await start()
      await loop.check(server, round)
    }
  } finally {
    await server[Symbol.asyncDispose]()
  }
  return { kills: loop.kills, inside, startMs }
}

/** Ports that were free when they were chosen may have become another's: over hundreds of starts that happens. */
async function startOnFreePorts(start: () => Promise<Flotilla>): Promise<Flotilla> {
  for (let tries = 1; ; tries++) {
    try {
      return await start()
    } catch (error) {
      if (tries === 3 || !String(error).trimEnd().split('\n').at(-1)?.includes('in use')) throw error
    }
  }
}

/** Resolves to the number of requests that were under way when the kill came. */
async function killAtWork(server: Flotilla, loop: KillLoop): Promise<number> {
  let isOver = false
  let underWay = 0
  const hammer: Hammer = {
    isOver: () => isOver,
    async doing(request) {
      underWay++
      try {
        return await request()
      } finally {
        underWay--
      }
    },
  }
  const workers = loop.work.map(async (work) => {
    try {
      while (!isOver) await work(server, hammer)
    } catch (error) {
      if (!isOver) throw error
    }
  })
  const died = Promise.all(workers)
  died.catch(() => undefined)
  // The one place where time itself is the subject: the moment of the kill.
  await Promise.race([new Promise((resolve) => setTimeout(resolve, Math.random() * loop.withinMs)), died])
  isOver = true
  const met = underWay
  server.process.signal('SIGKILL')
  await server.process.exited
  await died
  return met
}

export function describeKills(what: string, { kills, inside, startMs }: KillReport): string {
  const sorted = [...startMs].sort((a, b) => a - b)
  const at = (share: number) => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0)
  return `${what}: ${kills} kills, ${inside} with a request under way; ready again after ${at(0.5)} ms (median), ${at(1)} ms (most)`
}
