import { RegistryError } from '#oci/errors.ts'

/** The same chunks, but an error when none came for `stallMs`: a slow live body lives, a dead one does not. */
export async function* withStallTimer(body: AsyncIterable<Uint8Array>, stallMs: number): AsyncIterable<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]()
  let timer: Timer | undefined
  const stalled = Promise.withResolvers<never>()
  stalled.promise.catch(() => undefined)
  const restart = () => {
    clearTimeout(timer)
    timer = setTimeout(() => stalled.reject(stallError(stallMs)), stallMs)
  }
  try {
    for (;;) {
      restart()
      const next = await Promise.race([chunks.next(), stalled.promise])
      if (next.done) return
      yield next.value
    }
  } finally {
    clearTimeout(timer)
    // Not awaited: a stalled source may never answer.
    void chunks.return?.()?.catch(() => undefined)
  }
}

function stallError(stallMs: number): RegistryError {
  return new RegistryError(
    'SIZE_INVALID',
    `no byte of the body came for ${stallMs} ms; what came is kept, go on from there`,
    { status: 408 },
  )
}
