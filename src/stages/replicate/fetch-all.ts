// Many files over few connections. One that cannot be had does not keep the others from coming; a full disk or a source that
// fails again and again does. One that a source puts off is asked for again later, as long as there is patience.

import type { WantedFile } from './arriving-file.ts'
import { type FetchTools, fetchFile } from './fetch-file.ts'
import type { Wait } from './pace.ts'
import { PutOffFiles } from './put-off-files.ts'
import { ReplicateError } from './replicate-error.ts'
import { SettleFiles } from './settle-files.ts'
import { SourceBusy } from './source-trouble.ts'

export type FetchAllTools = FetchTools & {
  readonly connections: number
  /** How long a file may be put off in all. */
  readonly patienceMs: number
  readonly now: () => number
  readonly wait: Wait
  readonly random: () => number
  /** Throws before a file that is not to be begun: no room, or not the time. */
  readonly mayBegin: (sizeBytes: number) => Promise<void>
  readonly onFile: (file: WantedFile, from: string) => void
  readonly onPutOff: (file: WantedFile, forMs: number) => void
}

const mostFailures = 10

export async function fetchAll(
  files: AsyncIterable<WantedFile> | Iterable<WantedFile>,
  tools: FetchAllTools,
): Promise<void> {
  const halt = new AbortController()
  const stop = AbortSignal.any([tools.stop, halt.signal])
  const failures: ReplicateError[] = []
  const settling = new SettleFiles()
  const ordered = startIterating(files)
  const waiting = new PutOffFiles(ordered, tools.now, tools.wait)
  const fetchNext = async (file: WantedFile) => {
    try {
      await tools.mayBegin(file.sizeBytes)
      const from = await fetchFile(file, settling, { ...tools, stop })
      waiting.done(file)
      tools.onFile(file, from)
    } catch (error) {
      if (stop.aborted) return
      const failure = error instanceof SourceBusy ? putOff(file, error, waiting, tools) : error
      if (failure === undefined) return
      if (!(failure instanceof ReplicateError) || failure.reason !== 'source') throw failure
      failures.push(failure)
      if (failures.length >= mostFailures) halt.abort()
    }
  }
  const work = async () => {
    for (;;) {
      const file = await waiting.next(stop)
      if (!file || stop.aborted) return
      await fetchNext(file)
    }
  }
  const workers = Array.from({ length: tools.connections }, () =>
    work().catch((error) => {
      if (stop.aborted) return
      halt.abort()
      throw error
    }),
  )
  const ended = await Promise.allSettled(workers)
  await ordered.return?.(undefined)
  await settling.settle()
  tools.stop.throwIfAborted()
  for (const one of ended) if (one.status === 'rejected') throw one.reason
  const [first] = failures
  if (!first) return
  const more = failures.length > 1 ? ` (and ${failures.length - 1} more files)` : ''
  throw new ReplicateError('source', `${first.message}${more}`, { cause: first })
}

/** A fifth more or less, so that hosts put off together do not come back together. */
function putOff(
  file: WantedFile,
  { retryAfterMs }: SourceBusy,
  waiting: PutOffFiles,
  { now, random, patienceMs, onPutOff }: FetchAllTools,
): ReplicateError | undefined {
  const forMs = retryAfterMs * (0.8 + 0.4 * random())
  if (now() + forMs - waiting.sinceMs(file) <= patienceMs) {
    waiting.putOff(file, forMs)
    onPutOff(file, forMs)
    return undefined
  }
  const seconds = Math.round(patienceMs / 1000)
  return new ReplicateError('source', `${file.path} is put off for longer than --patience allows, ${seconds} s in all`)
}

async function* startIterating(files: AsyncIterable<WantedFile> | Iterable<WantedFile>): AsyncGenerator<WantedFile> {
  yield* files
}
