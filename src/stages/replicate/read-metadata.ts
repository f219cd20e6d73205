// Metadata from a source, bounded; never from another origin.

import type { MetadataSource } from '#trust/poll-chain.ts'
import type { SourceClock } from './check-clock.ts'
import { ReplicateError } from './replicate-error.ts'
import type { SourceAnswer, TreeSource } from './tree-source.ts'

/** Stores that hide what they have say 403 for what they do not have. */
const missing: ReadonlySet<number> = new Set([403, 404, 410])

export function metadataOf(source: TreeSource, stop: AbortSignal, clock: SourceClock): MetadataSource {
  return async (name, { maxBytes, etag }) => {
    const path = `metadata/${name}`
    const answer = await source.get(path, etag === undefined ? {} : { 'if-none-match': etag }, stop)
    const { status } = answer
    clock.saw(answer.header('date'))
    if (status === 200) {
      const bytes = await readSmall(answer, maxBytes, path)
      if (name === 'timestamp.json') clock.sawTimestamp(bytes)
      return { bytes, etag: answer.header('etag') }
    }
    await answer.discard()
    if (status === 304 && etag !== undefined) return 'unchanged'
    if (missing.has(status)) return undefined
    throw new ReplicateError('source', `${source.url}/${path}: status ${status}`)
  }
}

async function readSmall(answer: SourceAnswer, maxBytes: number, path: string): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of answer.chunks) {
    length += chunk.length
    if (length > maxBytes) throw new ReplicateError('source', `${path} is larger than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
