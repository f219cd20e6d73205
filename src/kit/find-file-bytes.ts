import { readFile } from 'node:fs/promises'

/** Undefined: there is no such file. Any other trouble throws: an outage must not look like a miss. */
export async function findFileBytes(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
