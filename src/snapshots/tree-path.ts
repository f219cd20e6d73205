// The names of a published tree: all of them, and nothing else is ever served, asked for or written.
//
//   blobs/sha256/ab/<hex>             immutable
//   lists/<n>.gz      lists/<a>-<b>.gz      immutable
//   lists/<n>.popular.gz              immutable; n counts these lists, not generations
//   catalogue/<n>.pack  catalogue/<a>-<b>.pack  immutable
//   metadata/[<n>.]<name>.json        replaced; written last
//   trace/<host>                      replaced; by the host itself

import { blobPath, type Digest, parseDigest } from '#oci/digest.ts'

export type SpanKind = 'list' | 'pack'

/** `from` 0: the whole state at `to`; else what changed since `from`. */
export type Span = { readonly from: number; readonly to: number }

export type TreePath =
  | { readonly kind: 'blob'; readonly digest: Digest }
  | ({ readonly kind: SpanKind } & Span)
  | { readonly kind: 'popular'; readonly number: number }
  | { readonly kind: 'metadata' }
  | { readonly kind: 'trace'; readonly host: string }

const number = '(?:0|[1-9][0-9]{0,14})'
const blobPattern = /^blobs\/(sha256|sha512)\/([0-9a-f]{2})\/([0-9a-f]{64,128})$/
const listPattern = new RegExp(`^lists/(?:(${number})-)?(${number})\\.gz$`)
const popularPattern = /^lists\/([1-9][0-9]{0,14})\.popular\.gz$/
const packPattern = new RegExp(`^catalogue/(?:(${number})-)?(${number})\\.pack$`)
const metadataPattern = /^metadata\/(?:[1-9][0-9]{0,14}\.)?[a-z][a-z-]{0,62}\.json$/
const hostPattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/
const channelPattern = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/
const maxHostLength = 253

/** A name a host gives its trace: like a DNS name, lower case. */
export function isHostName(text: string): boolean {
  return text.length <= maxHostLength && hostPattern.test(text)
}

export function isChannelName(text: string): boolean {
  return channelPattern.test(text)
}

export function spanPath(kind: SpanKind, { from, to }: Span): string {
  const name = from === 0 ? `${to}` : `${from}-${to}`
  return kind === 'list' ? `lists/${name}.gz` : `catalogue/${name}.pack`
}

/** `number` is 1 or more and rises with every list. */
export function popularityPath(number: number): string {
  return `lists/${number}.popular.gz`
}

/** Takes the path relative to the tree, byte for byte as asked: nothing is decoded or folded, so nothing can hide. */
export function parseTreePath(path: string): TreePath | undefined {
  switch (path.slice(0, path.indexOf('/'))) {
    case 'blobs':
      return parseBlobPath(path)
    case 'lists':
      return parseSpanPath('list', listPattern.exec(path)) ?? parsePopularityPath(path)
    case 'catalogue':
      return parseSpanPath('pack', packPattern.exec(path))
    case 'metadata':
      return metadataPattern.test(path) ? { kind: 'metadata' } : undefined
    case 'trace': {
      const host = path.slice('trace/'.length)
      return isHostName(host) ? { kind: 'trace', host } : undefined
    }
    default:
      return undefined
  }
}

function parseBlobPath(path: string): TreePath | undefined {
  const match = blobPattern.exec(path)
  const digest = match && parseDigest(`${match[1]}:${match[3]}`)
  return digest && blobPath(digest) === path ? { kind: 'blob', digest } : undefined
}

function parsePopularityPath(path: string): TreePath | undefined {
  const match = popularPattern.exec(path)
  return match ? { kind: 'popular', number: Number(match[1]) } : undefined
}

function parseSpanPath(kind: SpanKind, match: RegExpExecArray | null): TreePath | undefined {
  if (!match) return undefined
  const to = Number(match[2])
  if (match[1] === undefined) return { kind, from: 0, to }
  const from = Number(match[1])
  return from > 0 && from < to ? { kind, from, to } : undefined
}
