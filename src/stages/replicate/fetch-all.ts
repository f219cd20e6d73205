// Many files over few connections. One that cannot be had does not keep the others from coming; a full disk or a source that
// fails again and again does.

import { type FetchTools, fetchFile, type WantedFile } from './fetch-file.ts'
import { ReplicateError } from './replicate-error.ts'

export type FetchAllTools = FetchTools & {
  readonly connections: number
  /** Throws before a file for which there is no room. */
  readonly keepFloor: (sizeBytes: number) => Promise<void>
  readonly onFile: () => void
}

const mostFailures = 10

export async function fetchAll(
  files: AsyncIterable<WantedFile> | Iterable<WantedFile>,
  tools: FetchAllTools,
): Promise<void> {
  const halt = new AbortController()
  const stop = AbortSignal.any([tools.stop, halt.signal])
  const failures: ReplicateError[] = []
  const waiting = startIterating(files)
  const work = async () => {
    for (;;) {
      const { done, value: file } = await waiting.next()
      if (done || stop.aborted) return
      try {
        await tools.keepFloor(file.sizeBytes)
        await fetchFile(file, { ...tools, stop })
        tools.onFile()
      } catch (error) {
        if (stop.aborted) return
        if (!(error instanceof ReplicateError) || error.reason !== 'source') throw error
        failures.push(error)
        if (failures.length >= mostFailures) return halt.abort()
      }
    }
  }
  const workers = Array.from({ length: tools.connections }, () =>
    work().catch((error) => {
      halt.abort()
      throw error
    }),
  )
  const ended = await Promise.allSettled(workers)
  await waiting.return?.(undefined)
  tools.stop.throwIfAborted()
  for (const one of ended) if (one.status === 'rejected') throw one.reason
  const [first] = failures
  if (!first) return
  const more = failures.length > 1 ? ` (and ${failures.length - 1} more files)` : ''
  throw new ReplicateError('source', `${first.message}${more}`, { cause: first })
}

async function* startIterating(files: AsyncIterable<WantedFile> | Iterable<WantedFile>): AsyncGenerator<WantedFile> {
  yield* files
}
