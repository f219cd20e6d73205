// The metadata of our own tree as they lie on the disk: not verified, because nothing here is believed, only kept up and thinned.

import { join } from 'node:path'
import { findFileBytes } from '#kit/find-file-bytes.ts'
import type { SignedTargets } from '#snapshots/tree-contents.ts'

export function readMetadata(root: string, name: string): Promise<Buffer | undefined> {
  return findFileBytes(join(root, 'metadata', name))
}

export type NewestTargets = {
  readonly snapshotVersion: number
  readonly targetsVersion: number
  readonly targets: SignedTargets
}

/** Undefined: there are none, or they are damaged. */
export async function readNewestTargets(root: string): Promise<NewestTargets | undefined> {
  const timestamp = await readSigned(root, 'timestamp.json')
  const snapshotVersion = versionOf(timestamp, 'snapshot.json')
  const snapshot = snapshotVersion && (await readSigned(root, `${snapshotVersion}.snapshot.json`))
  const targetsVersion = snapshot && versionOf(snapshot, 'targets.json')
  const targets = targetsVersion && (await readTargets(root, targetsVersion))
  return targets ? { snapshotVersion, targetsVersion, targets } : undefined
}

export async function readTargets(root: string, version: number): Promise<SignedTargets | undefined> {
  const signed = await readSigned(root, `${version}.targets.json`)
  if (!isFields(signed?.targets)) return undefined
  const files = new Map<string, { sizeBytes: number; sha256: string }>()
  for (const [path, target] of Object.entries(signed.targets)) {
    const { length, hashes } = isFields(target) ? target : {}
    const { sha256 } = isFields(hashes) ? hashes : {}
    files.set(path, { sizeBytes: Number(length), sha256: String(sha256) })
  }
  return { about: signed.flotilla, files }
}

/** In ms since 1970; undefined: there is no timestamp that could be read. */
export async function readExpiry(root: string): Promise<number | undefined> {
  const expires = Date.parse(String((await readSigned(root, 'timestamp.json'))?.expires))
  return Number.isNaN(expires) ? undefined : expires
}

type Fields = Readonly<Record<string, unknown>>

function versionOf(signed: Fields | undefined, name: string): number | undefined {
  const meta = signed?.meta
  const named = isFields(meta) ? meta[name] : undefined
  return isFields(named) && Number.isSafeInteger(named.version) ? (named.version as number) : undefined
}

async function readSigned(root: string, name: string): Promise<Fields | undefined> {
  const bytes = await readMetadata(root, name)
  try {
    const { signed } = JSON.parse(String(bytes)) as { signed?: unknown }
    return isFields(signed) ? signed : undefined
  } catch {
    return undefined
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
