import { lstat, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { makeFolder, syncFolder } from '#kit/atomic-file.ts'
import type { Pointer, TreeFile } from '#snapshots/pointer.ts'
import type { Copying } from './copying.ts'
import { fetchAll } from './fetch-all.ts'
import { hasDigest } from './plan-blobs.ts'

/** Brings lists or packs into the folder. Those that the pointer of a complete generation named were verified before. */
export async function copySpanFiles(
  kind: 'lists' | 'packs',
  pointer: Pointer,
  verified: Pointer | undefined,
  { replica, fetching, meter }: Copying,
): Promise<void> {
  const known = new Set(verified?.[kind].map((file) => `${file.path} ${file.digest}`))
  const missing: TreeFile[] = []
  for (const file of pointer[kind]) {
    const path = join(replica.folder, file.path)
    const isKnown = known.has(`${file.path} ${file.digest}`)
    const found = await lstat(path).catch(() => undefined)
    if (found?.isFile() && found.size === file.sizeBytes && (isKnown || (await hasDigest(path, file.digest)))) continue
    await rm(path, { recursive: true, force: true })
    missing.push(file)
  }
  meter.enter(kind, { files: missing.length, bytes: missing.reduce((sum, file) => sum + file.sizeBytes, 0) })
  await fetchAll(missing, fetching)
  const folder = dirname(join(replica.folder, pointer[kind][0]!.path))
  await makeFolder(folder)
  await syncFolder(folder)
}
