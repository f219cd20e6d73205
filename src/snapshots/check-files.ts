// What block-checks.json says: which files of block checks there are, and up to where of the tree they reach. It is replaced whole, by
// rename; the files that it names are immutable, and a name is never used again.
//
//   <data>/snapshots/<channel>/block-checks.json
//   <data>/snapshots/<channel>/block-checks/<name>      records (check-record.ts), sorted, nothing else

import { type Digest, parseDigest } from '#oci/digest.ts'
import { recordBytes } from './check-record.ts'
import { isChannelName } from './tree-path.ts'

export type CheckFile = { readonly path: string; readonly digest: Digest; readonly sizeBytes: number }

export type CheckFiles = {
  readonly format: 1
  readonly channel: string
  /** Of the key without which the files say nothing. */
  readonly keyId: string
  /** Oldest first, no file smaller than those after it together. A blob is in one of them; in two, the later counts. */
  readonly files: readonly CheckFile[]
  /** The last blob of the tree, in order of (generation, digest), that was looked at. */
  readonly generation: number
  readonly digest: string
  /** Blobs up to there that have no checks, because our own bytes of them were not right. */
  readonly lacking: readonly { readonly digest: Digest; readonly sizeBytes: number }[]
}

export const checkFilesName = 'block-checks.json'
export const checkFolderName = 'block-checks'
const filePath = /^block-checks\/[0-9a-f]{32}$/
const maxFiles = 64

export class CheckFilesRefused extends Error {
  override readonly name = 'CheckFilesRefused'
}

export function noCheckFiles(channel: string, keyId: string): CheckFiles {
  return { format: 1, channel, keyId, files: [], generation: 0, digest: '', lacking: [] }
}

/** Throws CheckFilesRefused. */
export function parseCheckFiles(bytes: Uint8Array, channel: string): CheckFiles {
  const value = parseJson(bytes)
  if (value.format !== 1) refuse(`format ${String(value.format)} is not known here: a newer program is needed`)
  if (value.channel !== channel || !isChannelName(channel)) refuse(`it is of channel ${String(value.channel)}`)
  const { keyId, files, generation, digest, lacking } = value
  if (typeof keyId !== 'string' || !/^[0-9a-f]{16}$/.test(keyId)) refuse('it names no key')
  if (!Array.isArray(files) || files.length > maxFiles) refuse(`it names no files, or more than ${maxFiles}`)
  if (!isCount(generation) || typeof digest !== 'string') refuse('it does not say how far it reaches')
  if (!Array.isArray(lacking) || !lacking.every(isBlob)) refuse('it does not say what it lacks')
  return { format: 1, channel, keyId, files: files.map(parseFile), generation, digest, lacking }
}

function parseFile(value: unknown): CheckFile {
  const { path, digest, sizeBytes } = (value ?? {}) as Record<string, unknown>
  const parsed = typeof digest === 'string' ? parseDigest(digest) : undefined
  if (typeof path !== 'string' || !filePath.test(path)) refuse(`${String(path)} is not where such a file lies`)
  if (!parsed) refuse(`${path} has no digest`)
  if (!isCount(sizeBytes) || sizeBytes === 0 || sizeBytes % recordBytes !== 0)
    refuse(`${path} has ${String(sizeBytes)} bytes, which are no whole records`)
  return { path, digest: parsed, sizeBytes }
}

function parseJson(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch (error) {
    refuse('it is no JSON', { cause: error })
  }
  return refuse('it is no object')
}

function isBlob(value: unknown): value is CheckFiles['lacking'][number] {
  const { digest, sizeBytes } = (value ?? {}) as Record<string, unknown>
  return typeof digest === 'string' && parseDigest(digest) !== undefined && isCount(sizeBytes)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function refuse(detail: string, options?: ErrorOptions): never {
  throw new CheckFilesRefused(`${checkFilesName} is refused: ${detail}`, options)
}
