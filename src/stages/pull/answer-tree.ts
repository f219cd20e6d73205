// The origin: the published trees, read only. Names outside the grammar of a tree do not exist, however they are spelt.

import { createHash, randomUUID } from 'node:crypto'
import { lstat, readFile, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { type Answer, type Ask, refuse } from '#http/answer.ts'
import { ifNoneMatchHits, ifRangeHolds } from '#http/range.ts'
import { blobPath, type Digest } from '#oci/digest.ts'
import { parseTreePath, type TreePath } from '#snapshots/tree-path.ts'
import type { AdmitBlob } from './admit-blob.ts'
import { chooseByteRanges } from './byte-ranges.ts'
import { fileBody, multipartBody } from './file-body.ts'

export type TreeOptions = {
  /** The folder of the channel that is served at `/`. */
  readonly folder: string
  /** The folders of the channels that are served at `/channels/<name>/`. */
  readonly channelFolders: ReadonlyMap<string, string>
  /** Of a host: the front door to which a client goes back that was sent here for a blob which is not here. */
  readonly frontDoorUrl?: string
  /** Of the origin: has the last word about a blob whose bytes are about to be sent. */
  readonly admitBlob?: AdmitBlob
  /** Separates the parts of an answer with several ranges: must not be foreseeable. */
  readonly makeBoundary?: () => string
}

type File = { readonly path: string; readonly sizeBytes: number; readonly etag: string }

const immutable = 'public, max-age=31536000, immutable'
/** Metadata and traces change in place; a poll may be this much behind. */
const shortLived = 'public, max-age=5'
const maxSmallFileBytes = 1 << 20
// A blob may be a page with a script: nobody is to be shown one by this host's name.
const bodyHeaders = {
  'content-type': 'application/octet-stream',
  'content-disposition': 'attachment',
  'x-content-type-options': 'nosniff',
}
const ticketPattern = /(?:^|&)t=([A-Za-z0-9_-]{1,64})(?:&|$)/
const channelsPrefix = '/channels/'

export function answerTree(options: TreeOptions): (ask: Ask) => Promise<Answer> {
  const makeBoundary = options.makeBoundary ?? randomUUID
  return async (ask) => {
    if (ask.method !== 'GET' && ask.method !== 'HEAD') {
      return refuse('UNSUPPORTED', 'a published tree is only read', { headers: { allow: 'GET, HEAD' } })
    }
    const place = locate(ask.path, options)
    const name = place && parseTreePath(place.path)
    const path = name && (await findFile(place.folder, place.path))
    if (!path) return (name?.kind === 'blob' && sendBack(ask, name.digest, options.frontDoorUrl)) || notFound()
    if (name.kind === 'metadata' || name.kind === 'trace') return answerSmallFile(ask, path)
    const file = await describe(name, path)
    const answer = answerImmutable(ask, file, makeBoundary)
    if (!file || name.kind !== 'blob' || !options.admitBlob || !sendsBytes(ask, answer)) return answer
    const { digest } = name
    return options.admitBlob({ ask, channel: place?.channel, digest, sizeBytes: file.sizeBytes, answer })
  }
}

const sendsBytes = (ask: Ask, { status }: Answer) => ask.method === 'GET' && (status === 200 || status === 206)

/** With the ticket that the client brought, and only then: without one nobody sent it here, and no loop can begin. */
function sendBack(ask: Ask, digest: Digest, frontDoorUrl: string | undefined): Answer | undefined {
  const ticket = ticketPattern.exec(ask.query)?.[1]
  if (frontDoorUrl === undefined || ticket === undefined) return undefined
  const location = `${frontDoorUrl}/${blobPath(digest)}?miss=${ticket}`
  return { status: 307, headers: { location, 'cache-control': 'no-store' } }
}

type Place = { readonly folder: string; readonly channel?: string; readonly path: string }

function locate(path: string, { folder, channelFolders }: TreeOptions): Place | undefined {
  if (!path.startsWith(channelsPrefix)) return { folder, path: path.slice(1) }
  const slash = path.indexOf('/', channelsPrefix.length)
  if (slash < 0) return undefined
  const channel = path.slice(channelsPrefix.length, slash)
  const channelFolder = channelFolders.get(channel)
  return channelFolder === undefined ? undefined : { folder: channelFolder, channel, path: path.slice(slash + 1) }
}

/** The file's path, unless a link on the way leads anywhere else. */
async function findFile(folder: string, path: string): Promise<string | undefined> {
  try {
    const real = join(await realpath(folder), path)
    return (await realpath(real)) === real ? real : undefined
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return undefined
    throw error
  }
}

async function describe(name: TreePath, path: string): Promise<File | undefined> {
  const found = await lstat(path).catch(() => undefined)
  if (!found?.isFile()) return undefined
  const etag =
    name.kind === 'blob' ? name.digest : `${found.size.toString(16)}-${Math.trunc(found.mtimeMs).toString(16)}`
  return { path, sizeBytes: found.size, etag: `"${etag}"` }
}

/** Read whole, so that tag and bytes are of one state even when the file is replaced meanwhile. */
async function answerSmallFile(ask: Ask, path: string): Promise<Answer> {
  const found = await lstat(path).catch(() => undefined)
  if (!found?.isFile() || found.size > maxSmallFileBytes) return notFound()
  const bytes = await readFile(path)
  const etag = `"${createHash('sha256').update(bytes).digest('hex').slice(0, 32)}"`
  const headers = { ...bodyHeaders, etag, 'cache-control': shortLived }
  return precondition(ask, etag, headers) ?? { status: 200, headers, body: bytes, contentLength: bytes.length }
}

function answerImmutable(ask: Ask, file: File | undefined, makeBoundary: () => string): Answer {
  if (!file) return notFound()
  const { path, sizeBytes, etag } = file
  const headers = { ...bodyHeaders, etag, 'accept-ranges': 'bytes', 'cache-control': immutable }
  const early = precondition(ask, etag, headers)
  if (early) return early
  const whole = { first: 0, last: sizeBytes - 1 }
  const range = ask.header('range')
  // Ranges are defined for GET only.
  if (range === undefined || ask.method === 'HEAD') {
    return { status: 200, headers, body: fileBody(path, whole), contentLength: sizeBytes }
  }
  const ranges = ifRangeHolds(ask.header('if-range'), etag) ? chooseByteRanges(range, sizeBytes) : 'ignored'
  if (ranges === 'ignored') return { status: 200, headers, body: fileBody(path, whole) }
  if (typeof ranges === 'string') {
    const detail = ranges === 'excessive' ? 'too many or overlapping ranges' : 'no such range in this file'
    return refuse('RANGE_INVALID', detail, { headers: { 'content-range': `bytes */${sizeBytes}` } })
  }
  const [first, ...others] = ranges as [{ first: number; last: number }]
  if (others.length === 0) {
    const contentRange = `bytes ${first.first}-${first.last}/${sizeBytes}`
    return { status: 206, headers: { ...headers, 'content-range': contentRange }, body: fileBody(path, first) }
  }
  const { contentType, body } = multipartBody(path, sizeBytes, ranges, makeBoundary())
  return { status: 206, headers: { ...headers, 'content-type': contentType }, body }
}

/** RFC 9110 section 13.2.2: If-Match, then If-None-Match, before any Range. */
function precondition(ask: Ask, etag: string, headers: Readonly<Record<string, string>>): Answer | undefined {
  const ifMatch = ask.header('if-match')
  if (ifMatch !== undefined && !namesTag(ifMatch, etag))
    return refuse('PRECONDITION_FAILED', 'the file has another ETag')
  if (!ifNoneMatchHits(ask.header('if-none-match'), etag)) return undefined
  const { etag: tag, 'cache-control': cacheControl } = headers
  return { status: 304, headers: { etag: tag!, 'cache-control': cacheControl! } }
}

function namesTag(header: string, etag: string): boolean {
  return header.trim() === '*' || header.split(',').some((one) => one.trim() === etag)
}

function notFound(): Answer {
  return refuse('NOT_FOUND', 'no such file in the published tree', { headers: { 'cache-control': 'no-store' } })
}
