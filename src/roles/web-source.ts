// A snapshot source on another machine of ours, over http or https.

import { open, rm } from 'node:fs/promises'
import { discard, readAll } from '#http/outbound/body-stream.ts'
import type { OutboundClient } from '#http/outbound/outbound-client.ts'
import { OutboundError } from '#http/outbound/outbound-error.ts'
import { FileUnlike, type SnapshotSource } from '#snapshots/snapshot-source.ts'

export type WebSourceOptions = {
  readonly client: Pick<OutboundClient, 'send'>
  /** Without a slash at its end. */
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
}

/** For what is asked for again a second later. */
const documentMs = 10_000
const fileMs = 600_000
const idleMs = 10_000
/** The placement of a fleet with many exceptions. */
const maxDocumentBytes = 256 * 1024 * 1024

export class SourceFailed extends Error {
  override readonly name = 'SourceFailed'
}

export function webSource({ client, url, headers = {} }: WebSourceOptions): SnapshotSource {
  const send = (path: string, more: Readonly<Record<string, string>>, totalMs: number, maxBodyBytes: number) =>
    client.send({ url: `${url}/${path}`, headers: { ...headers, ...more }, totalMs, idleMs, maxBodyBytes })
  return {
    async read(path, etag, maxBytes = maxDocumentBytes) {
      const answer = await send(path, etag === undefined ? {} : { 'if-none-match': etag }, documentMs, maxBytes)
      if (answer.status === 200) {
        const bytes = await readAll(answer.body)
        // Without a tag it is news each time, and taken once.
        return { etag: answer.header('etag') ?? '', bytes }
      }
      await discard(answer.body)
      if (answer.status === 304 || answer.status === 404) return undefined
      throw failed(`${url}/${path}`, answer.status)
    },
    async fetch(path, target, sizeBytes) {
      const answer = await send(path, {}, fileMs, sizeBytes)
      if (answer.status !== 200) {
        await discard(answer.body)
        if (answer.status === 404) throw new FileUnlike(path, sizeBytes)
        throw failed(`${url}/${path}`, answer.status)
      }
      const file = await open(target, 'wx')
      try {
        for await (const chunk of answer.body) await file.writeFile(chunk)
      } catch (error) {
        await rm(target, { force: true })
        if (error instanceof OutboundError && error.kind === 'too-large') throw new FileUnlike(path, sizeBytes)
        throw error
      } finally {
        await file.close()
      }
    },
  }
}

function failed(url: string, status: number): SourceFailed {
  const why = status === 401 ? ': it knows another key; frontdoor-key must be that of its data folder' : ''
  return new SourceFailed(`${url} answered ${status}${why}`)
}
