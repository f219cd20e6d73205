import { RegistryError } from '#oci/errors.ts'

/** The same chunks, but an error when none came for `stallMs`: a slow live body lives, a dead one does not. */
export async function* withStallTimer(body: AsyncIterable<Uint8Array>, stallMs: number): AsyncIterable<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]()
  let giveUp: (error: RegistryError) => void = () => undefined
  const timer = setTimeout(() => giveUp(stallError(stallMs)), stallMs)
  try {
    for (;;) {
      timer.refresh()
      // NOTE no Promise.race with one long-lived promise: that promise would hold every chunk of the body until its end.
      const next = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        giveUp = reject
        chunks.next().then(resolve, reject)
      })
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
