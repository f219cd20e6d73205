// Work lists of a run, as text files of `<digest> <number>` lines: what is still to fetch, what has left and when.
// They are ours alone, in the hidden folder; a line that cannot be read is dropped, because each can be found out again.

import { createReadStream } from 'node:fs'
import { writeFileAtomically } from '#kit/atomic-file.ts'
import { type Digest, parseDigest } from '#oci/digest.ts'

export type DigestLine = { readonly digest: Digest; readonly number: number }

const flushLength = 64 * 1024

export type DigestLineWriter = { add(line: DigestLine): Promise<void> }

/** Writes a file whole or not at all. */
export function writeDigestLines<T>(path: string, write: (writer: DigestLineWriter) => Promise<T>): Promise<T> {
  return writeFileAtomically(path, async (handle) => {
    let text = ''
    const flush = async () => {
      await handle.writeFile(text)
      text = ''
    }
    const result = await write({
      async add({ digest, number }) {
        text += `${digest} ${number}\n`
        if (text.length > flushLength) await flush()
      },
    })
    await flush()
    return result
  })
}

/** The lines in their order; none if there is no such file. */
export async function* readDigestLines(path: string): AsyncGenerator<DigestLine> {
  let rest = ''
  try {
    for await (const chunk of createReadStream(path, 'latin1')) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()!
      for (const line of lines) {
        const [digest, number] = line.split(' ')
        const parsed = parseDigest(digest ?? '')
        if (parsed && Number.isSafeInteger(Number(number))) yield { digest: parsed, number: Number(number) }
      }
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
