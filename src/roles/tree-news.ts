// News of a published tree, read from a folder or over https, and verified against the roots that are trusted here.

import type { SnapshotSource } from '#snapshots/snapshot-source.ts'
import { ContentsRefused, firstRootPath, parseContents, type TreeContents } from '#snapshots/tree-contents.ts'
import { type MetadataSource, pollChain } from '#trust/poll-chain.ts'
import { TrustedChain } from '#trust/trusted-chain.ts'

export type TreeNewsOptions = {
  readonly source: SnapshotSource
  /** Where what was verified is kept. */
  readonly folder: string
  readonly channel: string
  /** The bytes of a root that is trusted from the start; undefined: the first that the tree shows is kept, another later is refused. */
  readonly root: Buffer | undefined
  readonly now: () => number
}

export class TreeNews {
  readonly #options: TreeNewsOptions
  #chain: TrustedChain | undefined
  #etag: string | undefined
  #nextEtag: string | undefined

  constructor(options: TreeNewsOptions) {
    this.#options = options
  }

  /** Undefined: nothing new since what was taken. Throws ChainRefused, ContentsRefused. */
  async next(): Promise<TreeContents | undefined> {
    const { now, channel } = this.#options
    this.#chain ??= await this.#open()
    if (!this.#chain) return undefined
    const news = await pollChain(this.#chain, this.#metadata, this.#etag, now())
    if (!news) return undefined
    this.#nextEtag = news.etag
    const contents = parseContents(news.targets)
    if (contents.channel !== channel) throw new ContentsRefused(`a tree of ${contents.channel}, not of ${channel}`)
    return contents
  }

  /** What came last is held now: it is no news any more. */
  taken(): void {
    this.#etag = this.#nextEtag
  }

  async #open(): Promise<TrustedChain | undefined> {
    const { source, folder, root, channel } = this.#options
    const known = await TrustedChain.open(folder, root, channel)
    if (known) return known
    const first = await source.read(firstRootPath, undefined)
    return first && TrustedChain.open(folder, Buffer.from(first.bytes), channel)
  }

  /** A source tells "not there" and "not new" alike; with an ETag it is the second. */
  readonly #metadata: MetadataSource = async (name, { etag }) =>
    (await this.#options.source.read(`metadata/${name}`, etag)) ?? (etag === undefined ? undefined : 'unchanged')
}
