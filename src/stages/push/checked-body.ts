import type { Ask } from '#http/answer.ts'
import { RegistryError } from '#oci/errors.ts'

/** The body, with an error at its end if it is not as long as its headers said. */
export async function* checkedBody(ask: Ask): AsyncIterable<Uint8Array> {
  const expected = expectedLength(ask)
  let size = 0
  for await (const chunk of ask.body ?? []) {
    size += chunk.length
    yield chunk
  }
  if (expected !== undefined && size !== expected) {
    throw new RegistryError(
      'SIZE_INVALID',
      `${expected} bytes were announced, ${size} came; what came is kept, go on from there`,
    )
  }
}

function expectedLength(ask: Ask): number | undefined {
  const length = ask.header('content-length')
  if (length !== undefined) return Number(length)
  const range = /(\d{1,15})-(\d{1,15})/.exec(ask.header('content-range') ?? '')
  return range ? Number(range[2]) - Number(range[1]) + 1 : undefined
}
