import type { Ask } from '#http/answer.ts'
import { type ErrorCode, RegistryError } from '#oci/errors.ts'

/** A body that must be held whole. Refused with 413 before more than `maxBytes` of it are kept. */
export async function readBody(ask: Ask, maxBytes: number, code: ErrorCode): Promise<Uint8Array> {
  const declared = Number(ask.header('content-length') ?? 0)
  if (declared > maxBytes) throw tooLarge(code, maxBytes)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of ask.body ?? []) {
    size += chunk.length
    if (size > maxBytes) throw tooLarge(code, maxBytes)
    chunks.push(new Uint8Array(chunk)) // the chunk itself is good only until the next one is asked for
  }
  return chunks.length === 1 ? chunks[0]! : new Uint8Array(Buffer.concat(chunks, size))
}

function tooLarge(code: ErrorCode, maxBytes: number): RegistryError {
  return new RegistryError(code, `the body is larger than the ${maxBytes} bytes that are taken here`, { status: 413 })
}
