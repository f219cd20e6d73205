// metadata/pointer.json: the signed statement of what a generation consists of, written last and read first.
// It stands where the TUF chain will; everything that knows its form is in this file.
//
//   { "signed": "<base64 of the document>", "signatures": [{ "keyid", "sig" }] }
//
// The document travels as the bytes that were signed, so that no reader has to rebuild them.

import { type Digest, parseDigest } from '#oci/digest.ts'
import { isChannelName, parseTreePath, type Span, type SpanKind, spanPath } from './tree-path.ts'

export const pointerPath = 'metadata/pointer.json'
export const keyPath = 'metadata/key.json'
export const maxPointerBytes = 64 * 1024

export type TreeFile = Span & { readonly path: string; readonly sizeBytes: number; readonly digest: Digest }

export type Pointer = {
  readonly format: 1
  readonly channel: string
  readonly generation: number
  readonly createdAtMs: number
  readonly expiresAtMs: number | undefined
  /** Whole lists (`from` 0) and deltas; with `packs`, everything a copy needs besides the blobs. */
  readonly lists: readonly TreeFile[]
  readonly packs: readonly TreeFile[]
}

type Signature = { readonly keyid: string; readonly sig: string }
export type FindSigner = (bytes: Uint8Array, signatures: readonly Signature[]) => string | undefined

/** What a reader may do nothing about but keep its old state: `unsigned` may be an attack, `malformed` a broken server. */
export class PointerRefused extends Error {
  override readonly name = 'PointerRefused'
  readonly reason: 'malformed' | 'unsigned'
  constructor(reason: 'malformed' | 'unsigned', detail: string) {
    super(`the pointer is ${reason}: ${detail}`)
    this.reason = reason
  }
}

/** Generations are counted per channel, so each channel is a role of its own to the signer. */
export function pointerRole(channel: string): string {
  return `pointer-${channel}`
}

/** The bytes to sign. */
export function encodePointer(pointer: Pointer): Uint8Array {
  const file = ({ path, from, to, sizeBytes, digest }: TreeFile) => ({ path, from, to, sizeBytes, digest })
  const { format, channel, generation, createdAtMs, expiresAtMs, lists, packs } = pointer
  const document = { type: 'pointer', format, channel, generation, createdAtMs, expiresAtMs }
  const bytes = Buffer.from(JSON.stringify({ ...document, lists: lists.map(file), packs: packs.map(file) }))
  parsePointer(bytes)
  return bytes
}

/** The bytes of metadata/pointer.json. */
export function sealPointer(signed: Uint8Array, signatures: readonly Signature[]): Uint8Array {
  const envelope = { signed: Buffer.from(signed).toString('base64'), signatures }
  const bytes = Buffer.from(`${JSON.stringify(envelope)}\n`)
  if (bytes.length > maxPointerBytes)
    throw new Error(`a pointer of ${bytes.length} bytes: thin out old lists and packs`)
  return bytes
}

/** Opens metadata/pointer.json: throws PointerRefused unless `findSigner` knows a signature and the document is sane. */
export function openPointer(bytes: Uint8Array, findSigner: FindSigner): Pointer {
  if (bytes.length > maxPointerBytes) malformed(`more than ${maxPointerBytes} bytes`)
  const envelope = parseObject(bytes)
  const { signed, signatures } = envelope
  if (typeof signed !== 'string' || !Array.isArray(signatures)) malformed('no envelope of "signed" and "signatures"')
  const document = Buffer.from(signed, 'base64')
  if (document.toString('base64') !== signed) malformed('"signed" is not base64')
  if (!signatures.every(isSignature)) malformed('a signature without "keyid" and "sig"')
  if (!findSigner(document, signatures))
    throw new PointerRefused('unsigned', 'no signature by a key that is trusted here')
  return parsePointer(document)
}

function parsePointer(bytes: Uint8Array): Pointer {
  const { type, format, channel, generation, createdAtMs, expiresAtMs, lists, packs } = parseObject(bytes)
  if (type !== 'pointer') malformed('not of the type "pointer"')
  if (format !== 1) malformed(`format ${String(format)} is not known here: a newer program is needed`)
  if (typeof channel !== 'string' || !isChannelName(channel)) malformed('no channel')
  if (!isCount(generation) || generation < 1) malformed('no generation')
  if (!isCount(createdAtMs)) malformed('no time of creation')
  if (expiresAtMs !== undefined && !isCount(expiresAtMs)) malformed('a wrong time of expiry')
  return {
    format,
    channel,
    generation,
    createdAtMs,
    expiresAtMs,
    lists: parseFiles('list', lists, generation),
    packs: parseFiles('pack', packs, generation),
  }
}

function parseFiles(kind: SpanKind, value: unknown, generation: number): TreeFile[] {
  if (!Array.isArray(value)) malformed(`no array of ${kind}s`)
  const files = value.map((one) => parseFile(kind, one))
  if (new Set(files.map((file) => file.path)).size !== files.length) malformed(`a ${kind} twice`)
  if (files.some((file) => file.to > generation)) malformed(`a ${kind} of a later generation`)
  if (!cheapestChain(files, 0, generation)) malformed(`no chain of ${kind}s leads to generation ${generation}`)
  return files
}

function parseFile(kind: SpanKind, value: unknown): TreeFile {
  if (typeof value !== 'object' || value === null) malformed(`a ${kind} that is no object`)
  const { path, from, to, sizeBytes, digest } = value as Record<string, unknown>
  if (!isCount(from) || !isCount(to) || from >= to) malformed(`a ${kind} from ${String(from)} to ${String(to)}`)
  if (path !== spanPath(kind, { from, to }) || !parseTreePath(path)) malformed(`a ${kind} at a wrong path`)
  if (!isCount(sizeBytes)) malformed(`${path} has no size`)
  const parsed = typeof digest === 'string' ? parseDigest(digest) : undefined
  if (!parsed) malformed(`${path} has no digest`)
  return { path, from, to, sizeBytes, digest: parsed }
}

/** The files to read, in order, to come from generation `held` (0: nothing) to `wanted` with the fewest bytes. */
export function cheapestChain(files: readonly TreeFile[], held: number, wanted: number): TreeFile[] | undefined {
  if (held === wanted) return []
  type Way = { readonly bytes: number; readonly file?: TreeFile; readonly before?: Way }
  const ways = new Map<number, Way>([[0, { bytes: 0 }]])
  ways.set(held, { bytes: 0 })
  for (const file of files.toSorted((a, b) => a.to - b.to || a.from - b.from)) {
    const before = ways.get(file.from)
    if (!before || file.to === held) continue
    const bytes = before.bytes + file.sizeBytes
    const known = ways.get(file.to)
    if (!known || bytes < known.bytes) ways.set(file.to, { bytes, file, before })
  }
  const chain: TreeFile[] = []
  for (let way = ways.get(wanted); way?.file; way = way.before) chain.unshift(way.file)
  return chain.length > 0 ? chain : undefined
}

function malformed(detail: string): never {
  throw new PointerRefused('malformed', detail)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isSignature(value: unknown): value is Signature {
  const { keyid, sig } = (value ?? {}) as Record<string, unknown>
  return typeof keyid === 'string' && typeof sig === 'string'
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {}
  return malformed('not a JSON object')
}
