// The bytes of one request to an upload, and where its headers say they belong.

import type { Ask } from '#http/answer.ts'
import { RegistryError } from '#oci/errors.ts'

export type Chunk = {
  /** Where it starts, if the client said so: docker and podman stream without a Content-Range. */
  readonly first: number | undefined
  /** Undefined: the request has no body. */
  readonly bytes: AsyncIterable<Uint8Array> | undefined
}

/** `0-9`, as the spec writes it; some clients put it as HTTP does: `bytes 0-9/*`. */
const contentRange = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d{1,15}|\*))?$/

/** Throws when the headers contradict themselves or each other; the bytes throw when they are not what the headers said. */
export function chunkOf(ask: Ask): Chunk {
  const header = ask.header('content-range')
  const length = ask.header('content-length')
  if (header === undefined) return { first: undefined, bytes: ask.body && exactly(ask.body, toNumber(length)) }
  const match = contentRange.exec(header)
  const [first, last] = [Number(match?.[1]), Number(match?.[2])]
  if (!(first <= last)) throw new RegistryError('BLOB_UPLOAD_INVALID', 'Content-Range must read <first>-<last>')
  const told = last - first + 1
  if (length !== undefined && Number(length) !== told) {
    throw new RegistryError('SIZE_INVALID', `Content-Range tells ${told} bytes, Content-Length ${length}`)
  }
  if (!ask.body) throw new RegistryError('SIZE_INVALID', `Content-Range tells ${told} bytes, the request has none`)
  return { first, bytes: exactly(ask.body, told) }
}

function toNumber(length: string | undefined): number | undefined {
  return length === undefined ? undefined : Number(length)
}

/** What was told and no byte more; an error if there were fewer or more. */
async function* exactly(body: AsyncIterable<Uint8Array>, told: number | undefined): AsyncIterable<Uint8Array> {
  let left = told ?? Number.POSITIVE_INFINITY
  for await (const chunk of body) {
    if (chunk.length > left) {
      yield chunk.subarray(0, left)
      throw wrongSize(`more than the ${told} bytes that were announced came`)
    }
    left -= chunk.length
    yield chunk
  }
  if (told !== undefined && left > 0) throw wrongSize(`${told} bytes were announced, ${told - left} came`)
}

function wrongSize(detail: string): RegistryError {
  return new RegistryError('SIZE_INVALID', `${detail}; what was announced and came is kept, go on from there`)
}
