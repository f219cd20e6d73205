// The script that admins run who want nobody's binary, run as they would, and what its copies hold.

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '#blobs/hashing.ts'
import { blobPath, type Digest } from '#oci/digest.ts'
import { type Ended, type Environment, runProgram } from './process.ts'

export const rsyncScript = join(import.meta.dir, '../../deploy/rsync/flotilla-rsync')

/** Without pauses, as whoever waits for a test wants it. */
export const scriptEnvironment: Environment = { FLOTILLA_PAUSE: '0', FLOTILLA_TIMEOUT: '60' }

/** `shell`: words of the command that runs it; none: its own first line. */
export function runScript(
  args: readonly string[],
  { shell = [], env = {} }: { readonly shell?: readonly string[]; readonly env?: Environment } = {},
): Promise<Ended> {
  const [command, ...rest] = [...shell, rsyncScript, ...args]
  return runProgram(command!, rest, { env: { ...scriptEnvironment, ...env } })
}

/** Digests of all blobs that lie in a folder under their finished names, sorted. */
export async function blobsIn(folder: string): Promise<Digest[]> {
  const names = await readdir(join(folder, 'blobs/sha256'), { recursive: true }).catch(() => [] as string[])
  return names
    .filter((name) => name.length > 64)
    .map((name) => `sha256:${name.slice(-64)}` as Digest)
    .sort()
}

export async function traceGeneration(folder: string, host: string): Promise<number | undefined> {
  const bytes = await readFile(join(folder, 'trace', host)).catch(() => undefined)
  return bytes && (JSON.parse(bytes.toString()) as { generation: number }).generation
}

/** Those of `digests` that the folder has not, or has with other bytes. */
export async function lackedBlobs(folder: string, digests: Iterable<Digest>): Promise<Digest[]> {
  const lacked: Digest[] = []
  for (const digest of digests) {
    const bytes = await readFile(join(folder, blobPath(digest))).catch(() => undefined)
    if (!bytes || digestOf(bytes) !== digest) lacked.push(digest)
  }
  return lacked
}
