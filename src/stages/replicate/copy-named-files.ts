import { lstat, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, syncFolder } from '#kit/atomic-file.ts'
import type { TreeContents } from '#snapshots/tree-contents.ts'
import type { WantedFile } from './arriving-file.ts'
import type { Copying } from './copying.ts'
import { fetchAll } from './fetch-all.ts'
import { hasDigest } from './plan-blobs.ts'

const folders = { lists: 'lists', packs: 'catalogue' } as const

/** The files that the targets name, by the folder they lie in. */
export function namedFiles(kind: keyof typeof folders, { lists, packs, popular }: TreeContents): WantedFile[] {
  return kind === 'packs' ? [...packs] : [...lists, ...(popular ? [popular] : [])]
}

/** Brings lists or packs into the folder. `verified`: digests by path of those that were verified before. */
export async function copyNamedFiles(
  kind: keyof typeof folders,
  contents: TreeContents,
  verified: Readonly<Record<string, string>>,
  { replica, fetching, meter }: Copying,
): Promise<void> {
  const missing: WantedFile[] = []
  for (const file of namedFiles(kind, contents)) {
    const path = join(replica.folder, file.path)
    const isKnown = verified[file.path] === file.digest
    const found = await lstat(path).catch(() => undefined)
    if (found?.isFile() && found.size === file.sizeBytes && (isKnown || (await hasDigest(path, file.digest)))) continue
    await rm(path, { recursive: true, force: true })
    missing.push(file)
  }
  meter.enter(kind, { files: missing.length, bytes: missing.reduce((sum, file) => sum + file.sizeBytes, 0) })
  await fetchAll(missing, fetching)
  const folder = join(replica.folder, folders[kind])
  await makeFolder(folder)
  await syncFolder(folder)
}
