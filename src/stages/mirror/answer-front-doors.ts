// What front doors of other processes and machines ask of the mirror role, each request with the key that they share:
//
//   GET  /snapshots/<path>    a file below the folder of snapshots, with ETag and 304
//   POST /evidence            what clients and probes showed of hosts (#snapshots/evidence-report.ts)
//   POST /pulls               how often which blob was pulled (#snapshots/pull-report.ts)
//
// Their word is trusted as our own machine's, but it is checked field by field and counted: a bug there must not poison anything here.
import { constants } from 'node:fs'
import { type FileHandle, open, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { matchesSecret } from '#access/secrets.ts'
import { type Answer, type Ask, refuse, type StoredBody } from '#http/answer.ts'
import type { Handler } from '#http/listener.ts'
import { ifNoneMatchHits } from '#http/range.ts'
import {
  EvidenceRefused,
  maxEvidenceReportBytes,
  parseEvidence,
  type ReportedEvidence,
} from '#snapshots/evidence-report.ts'
import { maxPullReportBytes, type PullReport, PullReportRefused, parsePullReport } from '#snapshots/pull-report.ts'
import type { ReportPace } from './report-pace.ts'

export type FrontDoorFeed = {
  /** Where the snapshots are. */
  readonly folder: string
  /** Of the secret that a front door must show. */
  readonly keyHash: Uint8Array
  readonly pace: ReportPace
  readonly now: () => number
  readonly takeEvidence: (evidence: readonly ReportedEvidence[]) => void
  /** Whose pulls are counted. */
  readonly channels: readonly string[]
  readonly takePulls: (report: PullReport) => Promise<void>
}

/** The header by which a front door says which one it is. */
export const frontDoorHeader = 'flotilla-front-door'
export const maxReportBytes = Math.max(maxEvidenceReportBytes, maxPullReportBytes)

const snapshotsPrefix = '/snapshots/'
/** Four parts at most, none hidden: temporary files begin with a dot. */
const snapshotPath = /^(?:[A-Za-z0-9][A-Za-z0-9._-]{0,127}\/){0,3}[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
const namePattern = /^[A-Za-z0-9][A-Za-z0-9.:_-]{0,99}$/
const chunkBytes = 256 * 1024
const plainFlags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW

export function answerFrontDoors(feed: FrontDoorFeed): Handler {
  return async (ask) => {
    const shown = /^Bearer (\S{1,200})$/.exec(ask.header('authorization') ?? '')?.[1]
    if (shown === undefined || !matchesSecret(shown, feed.keyHash))
      return refuse('UNAUTHORIZED', 'this listener is for front doors that show the key of this installation', {
        headers: { 'www-authenticate': 'Bearer' },
      })
    if (ask.path.startsWith(snapshotsPrefix)) return await answerSnapshot(ask, feed.folder)
    if (ask.path !== '/evidence' && ask.path !== '/pulls')
      return refuse('NOT_FOUND', 'front doors ask for nothing here')
    if (ask.method !== 'POST') return refuse('UNSUPPORTED', 'reports are posted', { headers: { allow: 'POST' } })
    return await takeReport(ask, feed)
  }
}

async function takeReport(ask: Ask, feed: FrontDoorFeed): Promise<Answer> {
  const name = ask.header(frontDoorHeader)
  if (name === undefined || !namePattern.test(name))
    return refuse('REQUEST_INVALID', `${frontDoorHeader} must say which front door this is`)
  if (!feed.pace.take(`${ask.path} ${name}`, feed.now()))
    return refuse('TOOMANYREQUESTS', 'a front door reports once a second', { headers: { 'retry-after': '1' } })
  const isEvidence = ask.path === '/evidence'
  const maxBytes = isEvidence ? maxEvidenceReportBytes : maxPullReportBytes
  const text = await readText(ask, maxBytes)
  if (text === undefined)
    return refuse('SIZE_INVALID', `a report has at most ${maxBytes} bytes of UTF-8`, { status: 413 })
  try {
    if (isEvidence) feed.takeEvidence(parseEvidence(text, feed.now()))
    else await takePulls(text, feed)
  } catch (error) {
    if (error instanceof EvidenceRefused || error instanceof PullReportRefused)
      return refuse('REQUEST_INVALID', error.message)
    throw error
  }
  return { status: 204, headers: {} }
}

async function takePulls(text: string, { channels, takePulls: take }: FrontDoorFeed): Promise<void> {
  const report = parsePullReport(text)
  if (!channels.includes(report.channel))
    throw new PullReportRefused(`the channel ${report.channel} is not published here`)
  await take(report)
}

/** Undefined: larger, or no UTF-8. */
async function readText(ask: Ask, maxBytes: number): Promise<string | undefined> {
  const parts: Buffer[] = []
  let sizeBytes = 0
  for await (const part of ask.body ?? []) {
    sizeBytes += part.length
    if (sizeBytes > maxBytes) return undefined
    parts.push(Buffer.from(part))
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts))
  } catch {
    return undefined
  }
}

async function answerSnapshot(ask: Ask, folder: string): Promise<Answer> {
  if (ask.method !== 'GET' && ask.method !== 'HEAD')
    return refuse('UNSUPPORTED', 'snapshots are only read', { headers: { allow: 'GET, HEAD' } })
  const path = ask.path.slice(snapshotsPrefix.length)
  const handle = snapshotPath.test(path) ? await openInside(folder, path) : undefined
  if (!handle) return refuse('NOT_FOUND', 'no such snapshot')
  let body: StoredBody | undefined
  try {
    const { ino, mtimeNs, size } = await handle.stat({ bigint: true })
    // They are replaced by rename: a new one is another file, with a time of its own.
    const etag = `"${ino.toString(36)}-${mtimeNs.toString(36)}-${size.toString(36)}"`
    const headers = { 'content-type': 'application/octet-stream', etag, 'cache-control': 'no-cache' }
    if (ifNoneMatchHits(ask.header('if-none-match'), etag)) return { status: 304, headers }
    if (ask.method === 'HEAD') return { status: 200, headers, contentLength: Number(size) }
    body = bodyOf(handle, Number(size))
    return { status: 200, headers, body }
  } finally {
    if (!body) await handle.close()
  }
}

/** A plain file that no link on the way leads to. */
async function openInside(folder: string, path: string): Promise<FileHandle | undefined> {
  let handle: FileHandle | undefined
  try {
    const inside = join(await realpath(folder), path)
    if ((await realpath(inside)) !== inside) return undefined
    handle = await open(inside, plainFlags)
    if ((await handle.stat()).isFile()) return handle
    await handle.close()
    return undefined
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP' || code === 'ENXIO') return undefined
    throw error
  }
}

/** Of the file that was opened, whatever takes its name meanwhile. */
function bodyOf(handle: FileHandle, sizeBytes: number): StoredBody {
  const stream = () =>
    new ReadableStream<Uint8Array>({
      async pull(controller) {
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(chunkBytes))
        if (bytesRead > 0) return controller.enqueue(buffer.subarray(0, bytesRead))
        await handle.close()
        return controller.close()
      },
      cancel: () => handle.close(),
    })
  return { sizeBytes, file: undefined, stream, [Symbol.asyncDispose]: () => handle.close() }
}
