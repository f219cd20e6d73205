// `flotilla replicate --every`: runs that follow each other, as soon as the source says that there are news, at the latest when the
// time is over.

import { setTimeout as wait } from 'node:timers/promises'
import { awaitNews } from '#stages/replicate/await-news.ts'
import { Schedule } from '#stages/replicate/schedule.ts'
import {
  type Clients,
  type ReplicaControl,
  type ReplicaOutcome,
  type ReplicaSettings,
  runReplica,
} from './replicate.ts'

export type KeepTools = {
  readonly clients: Clients
  readonly software: string
  /** Calls back when a run is wanted at once; gives back how to stop listening. */
  readonly onRunNow: (run: () => void) => () => void
  readonly onOutcome: (outcome: ReplicaOutcome) => void
  /** The run failed; the next one comes all the same. */
  readonly onFailure: (error: unknown) => void
}

/** A fifth more or less, so that hosts that were started together do not ask together. */
const jitter = 0.2
/** A source that answers "nothing yet" at once is not asked in a circle. */
const leastPauseMs = 1_000

/** Resolves when it is stopped. */
export async function keepReplica(
  settings: ReplicaSettings,
  everyMs: number,
  control: ReplicaControl,
  tools: KeepTools,
): Promise<void> {
  const { stop } = control
  const wish = new Wish()
  const forget = tools.onRunNow(() => wish.utter())
  let generation = 0
  let replica = ''
  while (!stop.aborted) {
    let untilMs = 0
    wish.forget()
    try {
      const outcome = await runReplica(settings, control, tools)
      ;({ generation, replica } = outcome)
      tools.onOutcome(outcome)
    } catch (error) {
      if (stop.aborted) break
      tools.onFailure(error)
      untilMs = (error as { reason?: string }).reason === 'window' ? windowMs(settings) : 0
    }
    const ms = untilMs || everyMs * (1 - jitter + 2 * jitter * Math.random())
    await pauseFor(ms, wish, (signal) => waitForNews(generation, replica, settings, { ...tools, stop: signal }), stop)
  }
  forget()
}

/** That a run be made at once: uttered during one, it is for the next. */
class Wish {
  #ending = new AbortController()

  get signal(): AbortSignal {
    return this.#ending.signal
  }

  utter(): void {
    this.#ending.abort()
  }

  forget(): void {
    this.#ending = new AbortController()
  }
}

function windowMs({ windows = [], bytesPerSecond = 0, outsideBytesPerSecond = 0 }: ReplicaSettings): number {
  const nowMs = Date.now()
  return new Schedule({ windows, bytesPerSecond, outsideBytesPerSecond }).opensAtMs(nowMs) - nowMs
}

async function pauseFor(
  ms: number,
  wish: Wish,
  untilNews: (stop: AbortSignal) => Promise<void>,
  stop: AbortSignal,
): Promise<void> {
  const ending = new AbortController()
  const signal = AbortSignal.any([stop, wish.signal, ending.signal])
  try {
    await Promise.race([wait(ms, undefined, { signal }), untilNews(signal)])
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    ending.abort()
  }
}

/** Never, where the source cannot say. */
async function waitForNews(
  generation: number,
  replica: string,
  { from, name }: ReplicaSettings,
  { clients, stop }: KeepTools & { readonly stop: AbortSignal },
): Promise<void> {
  const headers = { 'flotilla-host': name, 'flotilla-replica': replica }
  const tools = { client: clients.sources, headers, stop }
  for (;;) {
    const news = generation > 0 ? await awaitNews(from[0]!, generation, tools) : ({ kind: 'unknown' } as const)
    if (news.kind === 'unknown') return new Promise(() => undefined)
    await wait(news.kind === 'news' ? news.afterMs : leastPauseMs, undefined, { signal: stop })
    if (news.kind === 'news') return
  }
}
