import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'

/** The hex of the whole file's hash, read in pieces. */
export async function hashFile(path: string, algorithm: 'sha256' | 'sha512'): Promise<string> {
  const hash = createHash(algorithm)
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
