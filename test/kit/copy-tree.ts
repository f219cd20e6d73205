// A copy of a published tree as a run of replicate leaves it: files of its own, the timestamp last.

import { cp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, writeFileAtomically } from '#kit/atomic-file.ts'

export const timestampName = 'timestamp.json'

export async function copyTree(from: string, to: string): Promise<void> {
  await copyContents(from, to)
  await copyMetadata(from, to)
}

/** All but the metadata. Renamed into place, as replicate does it: what others have linked keeps its bytes. */
export async function copyContents(from: string, to: string): Promise<void> {
  for (const name of ['lists', 'catalogue', 'blobs']) {
    await rm(join(to, name), { recursive: true, force: true })
    await cp(join(from, name), join(to, name), { recursive: true })
  }
}

export async function copyMetadata(from: string, to: string): Promise<void> {
  const names = (await readdir(join(from, 'metadata'))).filter((name) => name !== timestampName)
  await makeFolder(join(to, 'metadata'))
  for (const name of [...names, timestampName])
    await writeFileAtomically(join(to, 'metadata', name), await readFile(join(from, 'metadata', name)))
}
