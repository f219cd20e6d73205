// The root that a copied tree must begin with, as its operator gives it: a file of its own, or the digest of the first one.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError } from '#config/load-config.ts'
import { makeFolder, writeFileAtomically } from '#kit/atomic-file.ts'
import { findFileBytes } from '#kit/find-file-bytes.ts'
import { parseRoot, RootRefused } from '#trust/root-document.ts'

/** The bytes of a root, or `sha256:<hex>` of the first one that the tree shows. */
export type GivenRoot = Buffer | string

const maxRootBytes = 256 * 1024

export function fingerprintOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** What `--root` says. Throws ConfigError. */
export async function readGivenRoot(text: string): Promise<GivenRoot> {
  if (/^sha256:[0-9a-f]{64}$/.test(text)) return text
  try {
    const bytes = await readFile(text)
    if (bytes.length > maxRootBytes) throw new RootRefused(`it has more than ${maxRootBytes} bytes`)
    parseRoot(bytes)
    return bytes
  } catch (error) {
    throw new ConfigError(
      `root: ${text} is neither sha256: and 64 digits nor a file of a root: ${(error as Error).message}`,
      { cause: error },
    )
  }
}

const firstRootFile = (folder: string) => join(folder, 'first-root')

/** Written before the root itself is trusted, so that there is never one without it. */
export async function rememberFirstRoot(folder: string, fingerprint: string): Promise<void> {
  await makeFolder(folder, 0o700)
  await writeFileAtomically(firstRootFile(folder), `${fingerprint}\n`)
}

/** The fingerprint of the root with which the folder began to trust; undefined: it trusts nobody yet. */
export async function findFirstRoot(folder: string): Promise<string | undefined> {
  return (await findFileBytes(firstRootFile(folder)))?.toString().trim()
}

/** Throws ConfigError when what the folder has trusted so far began with another root than the one that is given. */
export async function requireSameRoot(folder: string, given: GivenRoot): Promise<void> {
  const began = await findFirstRoot(folder)
  const wanted = typeof given === 'string' ? given : fingerprintOf(given)
  if (began === undefined || began === wanted) return
  throw new ConfigError(
    `root: ${wanted} is given, but ${folder} has trusted ${began} so far; if that was wrong, remove that folder's parent and start again`,
  )
}
