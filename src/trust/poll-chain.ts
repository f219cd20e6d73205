// One look for news: two answers when there are none (the timestamp's 304 and the next root's 404).

import { chainLimits } from './chain-fetcher.ts'
import { ChainRefused } from './chain-refused.ts'
import type { TrustedChain, VerifiedTargets } from './trusted-chain.ts'

export type MetadataAsk = { readonly maxBytes: number; readonly etag?: string | undefined }
export type MetadataAnswer = { readonly bytes: Uint8Array; readonly etag: string | undefined }
/** A file below `metadata/`; undefined: there is none; `unchanged`: it still has the ETag asked with. */
export type MetadataSource = (name: string, ask: MetadataAsk) => Promise<MetadataAnswer | 'unchanged' | undefined>

export type ChainNews = { readonly targets: VerifiedTargets; readonly etag: string | undefined }

/** Undefined: nothing since `etag`, which came with the last news. Throws ChainRefused; also when old news are past their time. */
export async function pollChain(
  chain: TrustedChain,
  source: MetadataSource,
  etag: string | undefined,
  nowMs: number,
): Promise<ChainNews | undefined> {
  const rootName = `${(await chain.rootVersion()) + 1}.root.json`
  // Without it there is nothing that could be unchanged, and what is damaged here is fetched again.
  const last = await chain.last()
  const [root, timestamp] = await Promise.all([
    source(rootName, { maxBytes: chainLimits.rootMaxLength }),
    source('timestamp.json', { maxBytes: chainLimits.timestampMaxLength, etag: last && etag }),
  ])
  const held = await chain.held('timestamp.json')
  if (timestamp === 'unchanged' && !root) {
    if (last && last.expiresAtMs > nowMs) return undefined
    const since = last ? `since ${new Date(last.expiresAtMs).toISOString()}` : 'for ever'
    throw new ChainRefused(
      'expired',
      `the source has no news and its timestamp is expired ${since}: it is cut off from the publisher, or the clock here is wrong`,
    )
  }
  const early = new Map<string, Uint8Array | undefined>([
    [rootName, typeof root === 'object' ? root.bytes : undefined],
    ['timestamp.json', typeof timestamp === 'object' ? timestamp.bytes : timestamp && held],
  ])
  const targets = await chain.refresh(async (name, maxBytes) => {
    if (early.has(name)) return early.get(name)
    const answer = await source(name, { maxBytes })
    return typeof answer === 'object' ? answer.bytes : undefined
  })
  return { targets, etag: typeof timestamp === 'object' ? timestamp.etag : etag }
}
