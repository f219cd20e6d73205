// The signed metadata of a tree: what the newest generation consists of, written after all that it names, the timestamp last.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, writeFileAtomically } from '#kit/atomic-file.ts'
import { aboutContents, filesOf, type TreeContents } from '#snapshots/tree-contents.ts'
import type { MetadataFile } from '#trust/tree-signer.ts'
import type { Trust } from './publish-stores.ts'

export async function writeContents(root: string, contents: TreeContents, trust: Trust): Promise<void> {
  await writeFiles(root, await trust.signContents(aboutContents(contents), filesOf(contents)))
}

/** Keeps the metadata from expiring, and takes up new roots. True: something was written. */
export async function resignContents(root: string, contents: TreeContents, trust: Trust): Promise<boolean> {
  const files = await trust.resign((name) => readMetadata(root, name))
  if (!files) await writeContents(root, contents, trust)
  else await writeFiles(root, files)
  return files === undefined || files.length > 0
}

async function writeFiles(root: string, files: readonly MetadataFile[]): Promise<void> {
  await makeFolder(join(root, 'metadata'))
  for (const { name, bytes } of files) {
    if ((await readMetadata(root, name))?.equals(bytes)) continue
    await writeFileAtomically(join(root, 'metadata', name), bytes)
  }
}

async function readMetadata(root: string, name: string): Promise<Buffer | undefined> {
  try {
    return await readFile(join(root, 'metadata', name))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
