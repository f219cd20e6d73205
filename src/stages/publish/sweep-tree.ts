// What a crash left half-written in a tree: names that no tree has.

import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseTreePath } from '#snapshots/tree-path.ts'

/** Only the folders that we alone write; a host's trace and what the operator laid at the root are not ours. */
const ownFolders = ['lists', 'catalogue', 'metadata', 'blobs']

export async function sweepTree(root: string): Promise<void> {
  for (const folder of ownFolders) {
    const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true }).catch((error) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    })
    for (const entry of entries) {
      const path = join(entry.parentPath, entry.name)
      if (entry.isFile() && !parseTreePath(path.slice(root.length + 1))) await rm(path, { force: true })
    }
  }
}
