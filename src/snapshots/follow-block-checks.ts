// Keeps the block checks of a channel as their folder has them. What is refused leaves those of before in use.

import { join } from 'node:path'
import type { Digest } from '#oci/digest.ts'
import { BlockChecks, type FindBlockChecks, type FoundChecks } from './block-checks.ts'
import { type CheckFiles, checkFilesName, parseCheckFiles } from './check-files.ts'
import type { Sealer } from './check-record.ts'
import { folderSource } from './snapshot-source.ts'

/** A document of 64 files and a thousand blobs that lack checks is far below. */
const maxDocumentBytes = 1 << 20

export type FollowedChecks<Key extends Sealer> = {
  /** Where block-checks.json lies. */
  readonly folder: string
  readonly channel: string
  /** Undefined: it is not here yet. */
  readonly findKey: () => Promise<Key | undefined>
}

export class BlockChecksFollower<Key extends Sealer> implements FindBlockChecks<Key>, AsyncDisposable {
  readonly #options: FollowedChecks<Key>
  #etag: string | undefined
  #current: BlockChecks<Key> | undefined

  constructor(options: FollowedChecks<Key>) {
    this.#options = options
  }

  async find(digest: Digest): Promise<FoundChecks<Key> | undefined> {
    return await this.#current?.find(digest)
  }

  /** Looks for news. Throws when they are refused, and looks at the same again the next time: a file may still be on its way. */
  async step(): Promise<void> {
    const { folder, channel } = this.#options
    const news = await folderSource(folder).read(checkFilesName, this.#etag, maxDocumentBytes)
    if (!news) return
    const told = parseCheckFiles(news.bytes, channel)
    const key = await this.#keyOf(told)
    const before = this.#current
    this.#current = await BlockChecks.open(folder, told, key, before)
    this.#etag = news.etag
    await before?.[Symbol.asyncDispose]()
  }

  async #keyOf({ keyId }: CheckFiles): Promise<Key> {
    const { folder, findKey } = this.#options
    const known = this.#current?.key
    const key = known?.id === keyId ? known : await findKey()
    if (key?.id === keyId) return key
    throw new Error(
      `the block checks in ${join(folder, checkFilesName)} were made with key ${keyId}, and ${key ? `the one here is ${key.id}` : 'there is none here'}: copy keys/block.key from the data folder where blobs are pushed to keys/ of the one here; hosts are proven without them until then`,
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#current?.[Symbol.asyncDispose]()
    this.#current = undefined
  }
}
