// Keeps one small document (placement, health, withdrawals) as its source has it, and a copy on disk to start again from.
import { readFile } from 'node:fs/promises'
import { writeFileAtomically } from '#kit/atomic-file.ts'
import type { SnapshotSource } from './snapshot-source.ts'

export type FollowedDocument = {
  readonly source: SnapshotSource
  /** Its path at the source. */
  readonly path: string
  /** Our copy. */
  readonly copy: string
  /** Throws when it is refused: the one before stays, in memory and on disk. */
  readonly take: (bytes: Uint8Array) => void | Promise<void>
  readonly log: (error: unknown) => void
}

/** Takes what the last run left, and returns the step that looks for news. */
export async function followDocument({
  source,
  path,
  copy,
  take,
  log,
}: FollowedDocument): Promise<() => Promise<void>> {
  try {
    await take(await readFile(copy))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') log(error)
  }
  let etag: string | undefined
  return async () => {
    const news = await source.read(path, etag)
    if (!news) return
    // Whatever becomes of it, the same bytes are not looked at twice.
    etag = news.etag
    await take(news.bytes)
    await writeFileAtomically(copy, news.bytes)
  }
}

/** For `take`: the document, which its taker checks field by field. */
export function parseDocument<T>(bytes: Uint8Array): T {
  return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as T
}
