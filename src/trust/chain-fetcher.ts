// How tuf-js gets its files: from whatever the reader reads a tree by (https, a folder), bounded, and of one channel.

import type { Fetcher } from 'tuf-js'
import { DownloadHTTPError } from 'tuf-js/dist/error.js'
import { type ChainReason, ChainRefused } from './chain-refused.ts'

/** A file below `metadata/`; undefined: there is none. Never gives more than `maxBytes`: throws instead. */
export type ReadMetadata = (name: string, maxBytes: number) => Promise<Uint8Array | undefined>

export class ChainFetcher implements Fetcher {
  readonly #read: ReadMetadata
  readonly #channel: string | undefined
  /** What kept a file from coming; tuf-js would wrap it into text. */
  failure: unknown

  constructor(read: ReadMetadata, channel: string | undefined) {
    this.#read = read
    this.#channel = channel
  }

  async downloadBytes(url: string, maxLength: number): Promise<Buffer> {
    const name = url.slice(url.lastIndexOf('/') + 1)
    const bytes = await this.#reading(name, maxLength)
    // tuf-js takes a 404 for the end of the chain of roots.
    if (!bytes && name.endsWith('.root.json')) throw new DownloadHTTPError('no newer root', 404)
    if (!bytes) throw this.#fail('missing', `there is no metadata/${name}`)
    if (bytes.length > maxLength) throw this.#fail('malformed', `metadata/${name} is larger than ${maxLength} bytes`)
    if (!name.endsWith('root.json')) this.#requireChannel(name, bytes)
    return Buffer.from(bytes)
  }

  /** Targets are fetched by those who know what they are. */
  downloadFile(): Promise<never> {
    throw new Error('no targets are fetched through the chain')
  }

  async #reading(name: string, maxLength: number): Promise<Uint8Array | undefined> {
    try {
      return await this.#read(name, maxLength)
    } catch (error) {
      this.failure = error
      throw error
    }
  }

  /** Before anything is verified: a timestamp of another channel is well signed, and its version must not be remembered here. */
  #requireChannel(name: string, bytes: Uint8Array): void {
    let channel: unknown
    try {
      channel = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)).signed.flotilla.channel
    } catch {
      throw this.#fail('malformed', `metadata/${name} is no signed metadata of a tree`)
    }
    if (this.#channel !== undefined && channel !== this.#channel) {
      throw this.#fail('other-channel', `metadata/${name} is of channel ${String(channel)}, here is ${this.#channel}`)
    }
  }

  #fail(reason: ChainReason, message: string): ChainRefused {
    const refused = new ChainRefused(reason, message)
    this.failure = refused
    return refused
  }
}
