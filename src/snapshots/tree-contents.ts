// What a generation consists of, as the signed targets of a tree say it: lists and packs by size and digest, and the list of what is
// pulled most. Everything else a tree holds is named by its lists.

import { type Digest, makeDigest } from '#oci/digest.ts'
import { isChannelName, parseTreePath, type Span, type SpanKind, spanPath } from './tree-path.ts'

export const timestampPath = 'metadata/timestamp.json'
export const firstRootPath = 'metadata/1.root.json'

export type TreeFile = Span & { readonly path: string; readonly sizeBytes: number; readonly digest: Digest }

/** The list of what is pulled most; `number` rises with every list. */
export type PopularFile = {
  readonly path: string
  readonly number: number
  readonly sizeBytes: number
  readonly digest: Digest
}

export type TreeContents = {
  readonly channel: string
  readonly generation: number
  readonly createdAtMs: number
  /** Whole lists (`from` 0) and changes; with `packs`, everything a copy needs besides the blobs. */
  readonly lists: readonly TreeFile[]
  readonly packs: readonly TreeFile[]
  /** Undefined: nothing was counted yet. */
  readonly popular?: PopularFile | undefined
}

/** The signed document is well signed but says what cannot be: a broken publisher, or a program that is too new. */
export class ContentsRefused extends Error {
  override readonly name = 'ContentsRefused'
}

export type SignedTargets = {
  readonly about: unknown
  readonly files: ReadonlyMap<string, { readonly sizeBytes: number; readonly sha256: string }>
}

/** What a timestamp.json says of itself, whoever signed it: for those who only want to know where to look. */
export function peekTimestamp(
  timestamp: Uint8Array,
): { readonly channel: string | undefined; readonly generation: number } | undefined {
  try {
    const { channel, generation } = JSON.parse(Buffer.from(timestamp).toString()).signed.flotilla
    return isCount(generation) ? { channel: typeof channel === 'string' ? channel : undefined, generation } : undefined
  } catch {
    return undefined
  }
}

/** What the targets say beside their files. */
export function aboutContents({ channel, generation, createdAtMs }: TreeContents) {
  return { format: 1, channel, generation, createdAtMs } as const
}

/** The files that the targets name. */
export function filesOf({ lists, packs, popular }: TreeContents): (TreeFile | PopularFile)[] {
  return [...lists, ...packs, ...(popular ? [popular] : [])]
}

/** Files at paths that are not known here are left out: a later publisher may name more. Throws ContentsRefused. */
export function parseContents({ about, files }: SignedTargets): TreeContents {
  const { format, channel, generation, createdAtMs } = (about ?? {}) as Record<string, unknown>
  if (format !== 1) refuse(`format ${String(format)} is not known here: a newer program is needed`)
  if (typeof channel !== 'string' || !isChannelName(channel)) refuse('no channel')
  if (!isCount(generation) || generation < 1) refuse('no generation')
  if (!isCount(createdAtMs)) refuse('no time of creation')
  const lists: TreeFile[] = []
  const packs: TreeFile[] = []
  let popular: PopularFile | undefined
  for (const [path, { sizeBytes, sha256 }] of files) {
    const parsed = parseTreePath(path)
    if (parsed?.kind !== 'list' && parsed?.kind !== 'pack' && parsed?.kind !== 'popular') continue
    if (!/^[0-9a-f]{64}$/.test(sha256)) refuse(`${path} has no sha256`)
    const file = { path, sizeBytes, digest: makeDigest('sha256', sha256) }
    if (parsed.kind === 'list') lists.push({ ...file, from: parsed.from, to: parsed.to })
    else if (parsed.kind === 'pack') packs.push({ ...file, from: parsed.from, to: parsed.to })
    else if (parsed.kind === 'popular' && parsed.number > (popular?.number ?? 0))
      popular = { ...file, number: parsed.number }
  }
  for (const [kind, found] of [['list', lists] as const, ['pack', packs] as const]) {
    if (found.some((file) => file.to > generation)) refuse(`a ${kind} of a later generation`)
    if (!cheapestChain(found, 0, generation)) refuse(`no chain of ${kind}s leads to generation ${generation}`)
  }
  return { channel, generation, createdAtMs, lists: inOrder(lists), packs: inOrder(packs), popular }
}

export function treeFile(
  kind: SpanKind,
  span: Span,
  { sizeBytes, digest }: { readonly sizeBytes: number; readonly digest: Digest },
): TreeFile {
  return { from: span.from, to: span.to, path: spanPath(kind, span), sizeBytes, digest }
}

/** By the generation they lead to, what is newest last; of those that lead to the same, the whole one last. */
export function inOrder(files: readonly TreeFile[]): TreeFile[] {
  return files.toSorted((a, b) => a.to - b.to || b.from - a.from)
}

/** The files to read, in order, to come from generation `held` (0: nothing) to `wanted` with the fewest bytes. A file of changes may be
 *  read from any generation that it spans: it tells the state at its end of all that changed since its beginning. */
export function cheapestChain(files: readonly TreeFile[], held: number, wanted: number): TreeFile[] | undefined {
  if (held === wanted) return []
  type Way = { readonly at: number; readonly bytes: number; readonly file?: TreeFile; readonly before?: Way }
  const ways: Way[] = [{ at: 0, bytes: 0 }]
  if (held > 0) ways.push({ at: held, bytes: 0 })
  for (const file of inOrder(files)) {
    const spanned = ways.filter(({ at }) => (file.from === 0 ? at === 0 : at >= file.from && at < file.to))
    const before = spanned.reduce<Way | undefined>(
      (best, way) => (best && best.bytes <= way.bytes ? best : way),
      undefined,
    )
    if (before) ways.push({ at: file.to, bytes: before.bytes + file.sizeBytes, file, before })
  }
  const ends = ways.filter(({ at }) => at === wanted)
  const cheapest = ends.reduce<Way | undefined>(
    (best, way) => (best && best.bytes <= way.bytes ? best : way),
    undefined,
  )
  if (!cheapest) return undefined
  const chain: TreeFile[] = []
  for (let way: Way | undefined = cheapest; way?.file; way = way.before) chain.unshift(way.file)
  return chain
}

function refuse(detail: string): never {
  throw new ContentsRefused(`what the tree says of itself cannot be used: ${detail}`)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
