// The block checks of the mirror role's machine, copied to where a front door elsewhere reads its own: the files first, then the document
// that names them. They say nothing without keys/block.key, and are verified by whoever opens them.

import { readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, temporaryPath, writeFileAtomically } from '#kit/atomic-file.ts'
import { type CheckFile, checkFilesName, checkFolderName, parseCheckFiles } from '#snapshots/check-files.ts'
import type { SnapshotSource } from '#snapshots/snapshot-source.ts'

const maxDocumentBytes = 1 << 20

export type CopiedChecks = { readonly source: SnapshotSource; readonly channel: string; readonly folder: string }

/** The step that looks for news. Throws when they cannot be had whole; what is here stays. */
export function blockCheckCopier({ source, channel, folder }: CopiedChecks): () => Promise<void> {
  let etag: string | undefined
  return async () => {
    const news = await source.read(`${channel}/${checkFilesName}`, etag, maxDocumentBytes)
    if (!news) return
    const { files } = parseCheckFiles(news.bytes, channel)
    await makeFolder(join(folder, checkFolderName))
    for (const file of files) await fetchMissing(file, { source, channel, folder })
    await writeFileAtomically(join(folder, checkFilesName), news.bytes)
    etag = news.etag
    const named = new Set(files.map(({ path }) => path.slice(checkFolderName.length + 1)))
    for (const name of await readdir(join(folder, checkFolderName)))
      if (!named.has(name)) await rm(join(folder, checkFolderName, name), { force: true })
  }
}

/** Their names are never used again, so one of the right size is the one. */
async function fetchMissing({ path, sizeBytes }: CheckFile, { source, channel, folder }: CopiedChecks): Promise<void> {
  const target = join(folder, path)
  if ((await stat(target).catch(() => undefined))?.size === sizeBytes) return
  const temporary = temporaryPath(target)
  try {
    await source.fetch(`${channel}/${path}`, temporary, sizeBytes)
    await rename(temporary, target)
  } finally {
    await rm(temporary, { force: true })
  }
}
