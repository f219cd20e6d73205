// News of a published tree, read from a folder or over https, and verified against the roots that are trusted here.

import type { SnapshotSource } from '#snapshots/snapshot-source.ts'
import { ContentsRefused, firstRootPath, parseContents, type TreeContents } from '#snapshots/tree-contents.ts'
import { chainLimits } from '#trust/chain-fetcher.ts'
import { ChainRefused } from '#trust/chain-refused.ts'
import { type MetadataSource, pollChain } from '#trust/poll-chain.ts'
import { parseRoot } from '#trust/root-document.ts'
import { TrustedChain } from '#trust/trusted-chain.ts'
import { fingerprintOf, type GivenRoot, rememberFirstRoot } from './first-root.ts'

export type TreeNewsOptions = {
  readonly source: SnapshotSource
  /** Where what was verified is kept. */
  readonly folder: string
  /** Undefined: that of the first tree that is seen. */
  readonly channel: string | undefined
  /** What the tree must begin with; undefined: the first root that it shows is kept, another later is refused. */
  readonly root: GivenRoot | undefined
  readonly now: () => number
  /** Told of the root that is trusted from now on. */
  readonly onFirstRoot?: (fingerprint: string) => void
}

export class TreeNews {
  readonly #options: TreeNewsOptions
  #chain: TrustedChain | undefined
  #etag: string | undefined
  #nextEtag: string | undefined
  #expiresAtMs: number | undefined

  constructor(options: TreeNewsOptions) {
    this.#options = options
  }

  /** When the newest timestamp that was verified expires; undefined: none was. */
  get expiresAtMs(): number | undefined {
    return this.#expiresAtMs
  }

  /** Undefined: nothing new since what was taken. Throws ChainRefused, ContentsRefused. */
  async next(): Promise<TreeContents | undefined> {
    const { now, channel } = this.#options
    this.#chain ??= await this.#open()
    if (!this.#chain) return undefined
    const news = await pollChain(this.#chain, this.#metadata, this.#etag, now())
    if (!news) return undefined
    this.#nextEtag = news.etag
    this.#expiresAtMs = news.targets.expiresAtMs
    const contents = parseContents(news.targets)
    if (channel !== undefined && contents.channel !== channel)
      throw new ContentsRefused(`a tree of ${contents.channel}, not of ${channel}`)
    return contents
  }

  /** What came last is held now: it is no news any more. */
  taken(): void {
    this.#etag = this.#nextEtag
  }

  async #open(): Promise<TrustedChain | undefined> {
    const { folder, channel } = this.#options
    const known = await TrustedChain.open(folder, undefined, channel)
    if (known) {
      this.#expiresAtMs = (await known.last())?.expiresAtMs
      return known
    }
    const first = await this.#firstRoot()
    if (!first) return undefined
    const fingerprint = fingerprintOf(first)
    await rememberFirstRoot(folder, fingerprint)
    const chain = await TrustedChain.open(folder, first, channel)
    this.#options.onFirstRoot?.(fingerprint)
    return chain
  }

  async #firstRoot(): Promise<Buffer | undefined> {
    const { source, root } = this.#options
    if (Buffer.isBuffer(root)) return root
    const shown = await source.read(firstRootPath, undefined, chainLimits.rootMaxLength)
    if (!shown) return undefined
    const fingerprint = fingerprintOf(shown.bytes)
    if (root !== undefined && root !== fingerprint)
      throw new ChainRefused('unsigned', `${firstRootPath} is ${fingerprint}, not the root that was given, ${root}`)
    try {
      parseRoot(shown.bytes)
    } catch (error) {
      throw new ChainRefused('malformed', `${firstRootPath}: ${(error as Error).message}`, { cause: error })
    }
    return Buffer.from(shown.bytes)
  }

  /** A source tells "not there" and "not new" alike; with an ETag it is the second. */
  readonly #metadata: MetadataSource = async (name, { etag, maxBytes }) =>
    (await this.#options.source.read(`metadata/${name}`, etag, maxBytes)) ??
    (etag === undefined ? undefined : 'unchanged')
}
