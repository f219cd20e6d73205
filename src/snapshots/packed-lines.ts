// Gzipped text, written and read as streams: what the lists of a tree are made of. What a line must be is for each list to say.
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { writeFileAtomically } from '#kit/atomic-file.ts'
import { type Digest, makeDigest } from '#oci/digest.ts'

/** Throws what the list refuses with. */
export type Refuse = (detail: string, options?: ErrorOptions) => never

export type PackedLineLimits = {
  /** Unpacked; what is longer is refused, so that a small file cannot fill memory or time. */
  readonly maxBytes: number
  readonly maxLineBytes: number
}

/** Puts the text in place atomically; when `texts` throws, nothing is left. */
export function writePackedText(
  path: string,
  texts: AsyncIterable<string>,
): Promise<{ sizeBytes: number; digest: Digest }> {
  return writeFileAtomically(path, async (handle) => {
    const hash = createHash('sha256')
    let sizeBytes = 0
    // Level 6 and no name or time in the gzip header: the same text is the same bytes.
    await pipeline(Readable.from(texts), createGzip({ level: 6 }), async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        hash.update(chunk)
        sizeBytes += chunk.length
        await handle.writeFile(chunk)
      }
    })
    return { sizeBytes, digest: makeDigest('sha256', hash.digest('hex')) }
  })
}

const linesPerChunk = 512

/** Lines, each with its end, as the pieces that are worth a write. */
export async function* inChunks(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let text = ''
  let waiting = 0
  for await (const line of lines) {
    text += line
    if (++waiting < linesPerChunk) continue
    yield text
    text = ''
    waiting = 0
  }
  yield text
}

/** The lines without their ends. */
export function readPackedLines(
  packed: AsyncIterable<Uint8Array>,
  { maxBytes, maxLineBytes }: PackedLineLimits,
  refuse: Refuse,
): AsyncGenerator<string> {
  return splitLines(unpack(packed, maxBytes, refuse), maxLineBytes, refuse)
}

async function* unpack(packed: AsyncIterable<Uint8Array>, maxBytes: number, refuse: Refuse): AsyncGenerator<Buffer> {
  const gunzip = createGunzip()
  const source = Readable.from(packed)
  source.on('error', (error) => gunzip.destroy(error))
  source.pipe(gunzip)
  let total = 0
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      total += chunk.length
      if (total > maxBytes) refuse(`more than ${maxBytes} bytes unpacked`)
      yield chunk
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (!code?.startsWith('Z_')) throw error
    refuse('its packed bytes are damaged or cut short', { cause: error })
  } finally {
    source.destroy()
    gunzip.destroy()
  }
}

async function* splitLines(
  chunks: AsyncIterable<Buffer>,
  maxLineBytes: number,
  refuse: Refuse,
): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of chunks) {
    const text = rest + chunk.toString('latin1')
    let start = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      if (end - start > maxLineBytes) refuse('a line that is too long')
      yield text.slice(start, end)
      start = end + 1
    }
    rest = text.slice(start)
    if (rest.length > maxLineBytes) refuse('a line that is too long')
  }
  if (rest !== '') refuse('the last line is cut short')
}

/** As it is written here and no other way: no sign, no zero before it, at most 16 digits. */
export function parseWholeNumber(text: string | undefined): number | undefined {
  if (text === undefined || text.length === 0 || text.length > 16) return undefined
  const value = Number(text)
  return Number.isSafeInteger(value) && value >= 0 && String(value) === text ? value : undefined
}
