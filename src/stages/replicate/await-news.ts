// How long until the next run: the source says when there are news, where it can, so that asking can be rare.

import { readAll } from '#http/outbound/body-stream.ts'
import type { Client } from './tree-source.ts'

export type NewsTools = {
  readonly client: Client
  readonly headers: Readonly<Record<string, string>>
  readonly stop: AbortSignal
}

/** news: a newer generation, to be fetched after so long; none: it waited in vain, ask again; unknown: it cannot say. */
export type News =
  | { readonly kind: 'news'; readonly generation: number; readonly afterMs: number }
  | { readonly kind: 'none' }
  | { readonly kind: 'unknown' }

const longestPollMs = 10 * 60_000
const maxAnswerBytes = 4096
const longestAfterMs = 6 * 3_600_000

/** Asks `<from>/generations/next?after=<generation>`, which answers when there is one. Never throws but for `stop`. */
export async function awaitNews(from: string, after: number, { client, headers, stop }: NewsTools): Promise<News> {
  try {
    const answer = await client.send({
      url: `${from.replace(/\/+$/, '')}/generations/next?after=${after}`,
      headers,
      totalMs: longestPollMs,
      idleMs: longestPollMs,
      maxBodyBytes: maxAnswerBytes,
      redirects: 0,
      signal: stop,
    })
    const text = Buffer.from(await readAll(answer.body)).toString()
    if (answer.status === 204) return { kind: 'none' }
    return answer.status === 200 ? parseNews(text, after) : { kind: 'unknown' }
  } catch {
    stop.throwIfAborted()
    return { kind: 'unknown' }
  }
}

function parseNews(text: string, after: number): News {
  try {
    const { generation, afterSeconds } = JSON.parse(text)
    if (!Number.isSafeInteger(generation) || !(afterSeconds >= 0)) return { kind: 'unknown' }
    if (generation <= after) return { kind: 'none' }
    return { kind: 'news', generation, afterMs: Math.min(afterSeconds * 1000, longestAfterMs) }
  } catch {
    return { kind: 'unknown' }
  }
}
