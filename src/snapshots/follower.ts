// Does something again and again: with jitter, so that many front doors do not ask in step, and ever more rarely while it fails.
export type Follower = {
  /** Runs now, behind a run that is going on; resolves when that is over. Its failure is logged, not thrown. */
  runNow(): Promise<void>
  stop(): Promise<void>
}

export type FollowerOptions = {
  readonly intervalMs: number
  readonly maxBackoffMs: number
  readonly random: () => number
  readonly log: (error: unknown) => void
}

/** The wait after `failures` failures in a row: within a quarter of the interval, doubled for each. */
export function nextDelayMs({ intervalMs, maxBackoffMs, random }: FollowerOptions, failures: number): number {
  const delayMs = Math.min(intervalMs * 2 ** failures, Math.max(intervalMs, maxBackoffMs))
  return delayMs * (0.75 + random() * 0.5)
}

export function startFollower(step: () => Promise<void>, options: FollowerOptions): Follower {
  let failures = 0
  let isStopped = false
  let timer: NodeJS.Timeout | undefined
  let running = Promise.resolve()

  const run = async () => {
    if (isStopped) return
    clearTimeout(timer)
    try {
      await step()
      failures = 0
    } catch (error) {
      failures++
      options.log(error)
    }
    if (isStopped) return
    clearTimeout(timer)
    timer = setTimeout(runNow, nextDelayMs(options, failures))
    timer.unref()
  }
  const runNow = () => {
    running = running.then(run)
    return running
  }
  timer = setTimeout(runNow, nextDelayMs(options, 0))
  timer.unref()
  return {
    runNow,
    async stop() {
      isStopped = true
      clearTimeout(timer)
      await running
    },
  }
}
