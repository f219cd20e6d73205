// What a tree says of itself, verified from its first root on as a newcomer would.

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { firstRootPath, parseContents, type TreeContents } from '#snapshots/tree-contents.ts'
import { TrustedChain } from '#trust/trusted-chain.ts'

export async function readContents(root: string): Promise<TreeContents> {
  const folder = await mkdtemp(join(tmpdir(), 'read-contents-'))
  try {
    const chain = await TrustedChain.open(folder, await readFile(join(root, firstRootPath)), undefined)
    const targets = await chain!.refresh((name) => readFile(join(root, 'metadata', name)).catch(() => undefined))
    return parseContents(targets)
  } finally {
    await rm(folder, { recursive: true })
  }
}
