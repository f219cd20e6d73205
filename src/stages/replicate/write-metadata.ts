// The chain of metadata as a copy passes it on: the very bytes, what comes first in reading written last.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, writeFileAtomically } from '#kit/atomic-file.ts'
import { timestampPath } from '#snapshots/tree-contents.ts'
import type { TrustedChain } from '#trust/trusted-chain.ts'
import { collectRoots, type NamedBytes, type RootsTools } from './first-root.ts'

/** `seen`: roots that came just now, by name. */
export async function collectMetadata(
  chain: TrustedChain,
  targetsVersion: number,
  seen: ReadonlyMap<string, Uint8Array>,
  tools: RootsTools,
): Promise<NamedBytes[]> {
  const roots = await collectRoots(chain, seen, tools)
  const [timestamp, snapshot, targets] = await Promise.all(
    (['timestamp.json', 'snapshot.json', 'targets.json'] as const).map((name) => chain.held(name)),
  )
  const { version } = JSON.parse(snapshot!.toString()).signed as { version: number }
  return [
    ...roots,
    { name: `${targetsVersion}.targets.json`, bytes: targets! },
    { name: `${version}.snapshot.json`, bytes: snapshot! },
    { name: 'timestamp.json', bytes: timestamp! },
  ]
}

/** In their order, each durable before the next: the timestamp comes after all that it leads to. */
export async function writeMetadata(folder: string, files: readonly NamedBytes[]): Promise<void> {
  await makeFolder(join(folder, 'metadata'))
  for (const { name, bytes } of files) await writeFileAtomically(join(folder, 'metadata', name), bytes)
}

/** sha256 of the timestamp that the copy shows; undefined: it shows none. */
export async function shownTimestamp(folder: string): Promise<string | undefined> {
  const bytes = await readFile(join(folder, timestampPath)).catch(() => undefined)
  return bytes && createHash('sha256').update(bytes).digest('hex')
}
