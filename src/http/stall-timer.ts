import { releaseBytes } from '#kit/release-bytes.ts'
import { RegistryError } from '#oci/errors.ts'

/** The same chunks, but an error when none came for `stallMs`: a slow live body lives, a dead one does not. A chunk's memory is
 *  taken back when the next one is asked for. */
export async function* withStallTimer(body: AsyncIterable<Uint8Array>, stallMs: number): AsyncIterable<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await nextWithin(chunks, stallMs)
      if (next.done) return
      yield next.value
      releaseBytes(next.value)
    }
  } finally {
    // Not awaited: a stalled source may never answer.
    void chunks.return?.()?.catch(() => undefined)
  }
}

/** A promise of its own for each chunk: a single one that all are raced against would remember every one of them. */
function nextWithin(chunks: AsyncIterator<Uint8Array>, stallMs: number): Promise<IteratorResult<Uint8Array, unknown>> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(stallError(stallMs)), stallMs)
    chunks
      .next()
      .then(resolve, (error) => reject(brokenError(error)))
      .finally(() => clearTimeout(timer))
  })
}

function stallError(stallMs: number): RegistryError {
  return new RegistryError(
    'SIZE_INVALID',
    `no byte of the body came for ${stallMs} ms; what came is kept, go on from there`,
    { status: 408 },
  )
}

function brokenError(cause: unknown): RegistryError {
  return new RegistryError('SIZE_INVALID', 'the body broke off before its end; what came is kept, go on from there', {
    cause,
  })
}
