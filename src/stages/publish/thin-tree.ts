// Takes away what the newest metadata do not name: it stays for a grace, because somebody may be reading it, and then goes. Roots stay for
// ever, and blobs are not touched here. When a file was left is seen from the first targets that do not name it any more.

import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { parseTreePath } from '#snapshots/tree-path.ts'
import { readNewestTargets, readTargets } from './read-metadata.ts'

export type ThinLimits = {
  readonly graceMs: number
  /** Unnamed files of a folder: of more, the oldest go before their grace is over. */
  readonly maxUnnamed: number
  /** What was named more recently than this stays all the same. */
  readonly youngMs: number
}

export const thinDefaults: ThinLimits = { graceMs: 86_400_000, maxUnnamed: 1000, youngMs: 600_000 }

type Left = { readonly path: string; readonly atMs: number }
type Version = { readonly version: number; readonly atMs: number }

/** Only when no generation is half rendered: one that is rendered again reads what the one before named. Resolves to the paths. */
export async function thinTree(root: string, nowMs: number, limits = thinDefaults): Promise<string[]> {
  const newest = await readNewestTargets(root)
  if (!newest) return []
  const targets = await versionsOf(root, 'targets')
  const snapshots = await versionsOf(root, 'snapshot')
  const left = await leftFiles(root, targets, newest.targetsVersion)
  const folders = [
    ...(await Promise.all(['lists', 'catalogue'].map((folder) => unnamedIn(root, folder, left, newest.targets.files)))),
    [
      ...supersededVersions('targets', targets, newest.targetsVersion),
      ...supersededVersions('snapshot', snapshots, newest.snapshotVersion),
    ],
  ]
  const removed: string[] = []
  for (const { path } of folders.flatMap((unnamed) => chooseOld(unnamed, nowMs, limits))) {
    await rm(join(root, path), { force: true })
    removed.push(path)
  }
  return removed
}

function chooseOld(unnamed: readonly Left[], nowMs: number, { graceMs, maxUnnamed, youngMs }: ThinLimits): Left[] {
  const surplus = unnamed.length - maxUnnamed
  const oldest = unnamed.toSorted((a, b) => a.atMs - b.atMs)
  return oldest.filter(({ atMs }, i) => nowMs - atMs > (i < surplus ? Math.min(youngMs, graceMs) : graceMs))
}

/** Lowest version first. */
async function versionsOf(root: string, role: 'targets' | 'snapshot'): Promise<Version[]> {
  const pattern = new RegExp(`^([1-9][0-9]{0,14})\\.${role}\\.json$`)
  const names = (await readdir(join(root, 'metadata'))).filter((name) => pattern.test(name))
  const versions = await Promise.all(
    names.map(async (name) => ({
      version: Number(pattern.exec(name)![1]),
      atMs: (await stat(join(root, 'metadata', name))).mtimeMs,
    })),
  )
  return versions.sort((a, b) => a.version - b.version)
}

/** Each was left when the next one came; one above the newest never counted, and was left by a crash when it was written. */
function supersededVersions(role: string, versions: readonly Version[], newest: number): Left[] {
  return versions.flatMap(({ version, atMs }, i) => {
    if (version === newest) return []
    const next = version < newest ? versions[i + 1] : undefined
    return [{ path: `metadata/${version}.${role}.json`, atMs: next?.atMs ?? atMs }]
  })
}

/** When each file was left that older targets name. */
async function leftFiles(
  root: string,
  targets: readonly Version[],
  newest: number,
): Promise<ReadonlyMap<string, number>> {
  const left = new Map<string, number>()
  for (const [i, { version }] of targets.entries()) {
    if (version >= newest) continue
    const atMs = targets[i + 1]!.atMs
    for (const path of (await readTargets(root, version))?.files.keys() ?? []) left.set(path, atMs)
  }
  return left
}

/** A file that no targets name any more was left when it was written, as far as can be seen: a crash came before it was signed. */
async function unnamedIn(
  root: string,
  folder: string,
  left: ReadonlyMap<string, number>,
  named: ReadonlyMap<string, unknown>,
): Promise<Left[]> {
  const paths = (await readdir(join(root, folder))).map((name) => `${folder}/${name}`)
  const unnamed = paths.filter((path) => !named.has(path) && parseTreePath(path))
  return await Promise.all(
    unnamed.map(async (path) => ({ path, atMs: left.get(path) ?? (await stat(join(root, path))).mtimeMs })),
  )
}
