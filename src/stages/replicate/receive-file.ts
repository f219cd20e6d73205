// One attempt at one file from one source: hashed while it streams into a part file, gone on with by Range, given on to its place
// only when size and digest are right. Who began the part does not matter: the digest proves the whole.

import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { publicFileMode } from '#kit/atomic-file.ts'
import { algorithmOf, hexOf } from '#oci/digest.ts'
import { ArrivingFile, type WantedFile } from './arriving-file.ts'
import type { Pace } from './pace.ts'
import { ReplicateError } from './replicate-error.ts'
import type { SettleFiles } from './settle-files.ts'
import { HostFailed, PartSpoilt, SourceInterrupted, WrongBytes } from './source-trouble.ts'
import { type SourceAnswer, troubleOf } from './tree-source.ts'
import type { Upstream } from './tree-sources.ts'

export type ReceiveTools = {
  /** The tree's folder, and where its unfinished files lie: on the same file system. */
  readonly folder: string
  readonly partsFolder: string
  readonly stop: AbortSignal
  readonly pace: Pace
  /** Takes files that are whole. */
  readonly settling: SettleFiles
  /** How much of the file is here, after each change. */
  readonly report: (sizeBytes: number) => void
}

export function partPath(partsFolder: string, { digest }: WantedFile): string {
  return join(partsFolder, `${algorithmOf(digest)}-${hexOf(digest)}`)
}

/** Throws WrongBytes, PartSpoilt, SourceInterrupted and its kinds, ReplicateError when this source cannot help. */
export async function receiveFile(file: WantedFile, upstream: Upstream, tools: ReceiveTools): Promise<void> {
  const part = partPath(tools.partsFolder, file)
  const handle = await open(part, 'a+', publicFileMode)
  let isWhole = false
  try {
    const arriving = new ArrivingFile(file, handle, tools.report)
    await arriving.resume(part)
    if (arriving.sizeBytes < file.sizeBytes || file.sizeBytes === 0) await receiveRest(file, arriving, upstream, tools)
    else if (!arriving.isRight()) await spoil(file, arriving)
    isWhole = true
  } finally {
    if (!isWhole) await handle.close()
  }
  await tools.settling.add({ handle, part, target: join(tools.folder, file.path), sizeBytes: file.sizeBytes })
}

async function spoil(file: WantedFile, arriving: ArrivingFile): Promise<never> {
  await arriving.restart()
  throw new PartSpoilt(`${file.path} has other bytes than its digest says`)
}

async function receiveRest(
  file: WantedFile,
  arriving: ArrivingFile,
  upstream: Upstream,
  tools: ReceiveTools,
): Promise<void> {
  const startedMs = performance.now()
  const answer = await ask(file, arriving, upstream, tools.stop)
  const beganAt = arriving.sizeBytes
  await receive(file, answer, arriving, tools)
  if (!arriving.isRight()) {
    if (beganAt > 0) await spoil(file, arriving)
    await arriving.restart()
    throw new WrongBytes(answer.host, `${file.path} has other bytes than its digest says`)
  }
  // A host's speed is not the source's.
  upstream.brought(answer.host ? 0 : file.sizeBytes - beganAt, answer.host ? 0 : performance.now() - startedMs)
}

async function ask(
  file: WantedFile,
  arriving: ArrivingFile,
  { source }: Upstream,
  stop: AbortSignal,
): Promise<SourceAnswer> {
  const at = arriving.sizeBytes
  const answer = await source.get(file.path, at > 0 ? { range: `bytes=${at}-` } : {}, stop)
  try {
    await checkStart(file, at, arriving, answer)
    return answer
  } catch (error) {
    await answer.discard()
    throw error
  }
}

async function checkStart(file: WantedFile, at: number, arriving: ArrivingFile, answer: SourceAnswer): Promise<void> {
  const { status, host } = answer
  if (status === 200) {
    await arriving.restart()
    const length = answer.header('content-length')
    if (length === undefined || length === `${file.sizeBytes}`) return
    throw new WrongBytes(host, `${file.path} has ${length} bytes there instead of ${file.sizeBytes}`)
  }
  if (status === 206 && at > 0) {
    const expected = `bytes ${at}-${file.sizeBytes - 1}/${file.sizeBytes}`
    const told = answer.header('content-range')
    if (told === expected) return
    const said = `${file.path}: Content-Range is "${told}" instead of "${expected}"`
    throw host ? new HostFailed(host, `${host.url}: ${said}`) : new ReplicateError('source', said)
  }
  if (status === 416 && at > 0) {
    await arriving.restart()
    const said = `${file.path}: the server cannot go on from ${at}`
    throw host ? new HostFailed(host, said) : new SourceInterrupted(said)
  }
  throw troubleOf(file.path, answer)
}

async function receive(
  file: WantedFile,
  { chunks, host }: SourceAnswer,
  arriving: ArrivingFile,
  { pace, stop }: ReceiveTools,
): Promise<void> {
  try {
    for await (const chunk of chunks) {
      if (arriving.sizeBytes + chunk.length > file.sizeBytes) {
        await arriving.restart()
        throw new WrongBytes(host, `${file.path} is longer than its ${file.sizeBytes} bytes`)
      }
      await arriving.append(chunk)
      await pace.take(chunk.length, stop)
    }
  } finally {
    await arriving.flush()
  }
  if (arriving.sizeBytes === file.sizeBytes) return
  const said = `${file.path} ended early`
  throw host ? new HostFailed(host, `${host.url}: ${said}`) : new SourceInterrupted(said)
}
