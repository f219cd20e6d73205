// The signed metadata of a tree: what the newest generation consists of, written after all that it names, the timestamp last.

import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { makeFolder, writeFileAtomically } from '#kit/atomic-file.ts'
import { aboutContents, filesOf, parseContents, type TreeContents } from '#snapshots/tree-contents.ts'
import type { MetadataFile } from '#trust/tree-signer.ts'
import type { Trust } from './publish-stores.ts'
import { readMetadata, readNewestTargets } from './read-metadata.ts'

export async function writeContents(root: string, contents: TreeContents, trust: Trust): Promise<void> {
  await writeFiles(root, await trust.signContents(aboutContents(contents), filesOf(contents)))
}

/** Keeps the metadata from expiring, takes up new roots, and says anew what the tree does not say as it is. True: something was written. */
export async function resignContents(root: string, contents: TreeContents, trust: Trust): Promise<boolean> {
  const files = (await saysSo(root, contents)) ? await trust.resign((name) => readMetadata(root, name)) : undefined
  if (!files) await writeContents(root, contents, trust)
  else await writeFiles(root, files)
  return files === undefined || files.length > 0
}

async function saysSo(root: string, contents: TreeContents): Promise<boolean> {
  const newest = await readNewestTargets(root)
  try {
    return newest !== undefined && isDeepStrictEqual(parseContents(newest.targets), contents)
  } catch {
    return false
  }
}

async function writeFiles(root: string, files: readonly MetadataFile[]): Promise<void> {
  await makeFolder(join(root, 'metadata'))
  for (const { name, bytes } of files) {
    if ((await readMetadata(root, name))?.equals(bytes)) continue
    await writeFileAtomically(join(root, 'metadata', name), bytes)
  }
}
