// How tuf-js gets its files: from whatever the reader reads a tree by (https, a folder), bounded, and of one channel.

import type { Fetcher } from 'tuf-js'
import { DownloadHTTPError } from 'tuf-js/dist/error.js'
import { type ChainReason, ChainRefused } from './chain-refused.ts'

/** A file below `metadata/`; undefined: there is none. Never gives more than `maxBytes`: throws instead. */
export type ReadMetadata = (name: string, maxBytes: number) => Promise<Uint8Array | undefined>

export const chainLimits = {
  rootMaxLength: 256 * 1024,
  timestampMaxLength: 16 * 1024,
  snapshotMaxLength: 64 * 1024,
  targetsMaxLength: 1 << 20,
  maxRootRotations: 256,
} as const

const shownLength = 40

function mostBytes(name: string): number {
  if (name.endsWith('root.json')) return chainLimits.rootMaxLength
  if (name.endsWith('timestamp.json')) return chainLimits.timestampMaxLength
  return name.endsWith('snapshot.json') ? chainLimits.snapshotMaxLength : chainLimits.targetsMaxLength
}

export class ChainFetcher implements Fetcher {
  readonly #read: ReadMetadata
  #channel: string | undefined
  /** What kept a file from coming; tuf-js would wrap it into text. */
  failure: unknown

  /** `channel`: metadata of any other is refused; undefined: of any but the first that comes. */
  constructor(read: ReadMetadata, channel: string | undefined) {
    this.#read = read
    this.#channel = channel
  }

  /** `named`: the length that the metadata before it named, as large as whoever signed them liked. */
  async downloadBytes(url: string, named: number): Promise<Buffer> {
    const name = url.slice(url.lastIndexOf('/') + 1)
    const maxLength = Math.min(named, mostBytes(name))
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
    if (typeof channel !== 'string') throw this.#fail('malformed', `metadata/${name} names no channel`)
    this.#channel ??= channel
    if (channel !== this.#channel) {
      throw this.#fail(
        'other-channel',
        `metadata/${name} is of channel ${JSON.stringify(channel.slice(0, shownLength))}, here is ${this.#channel}`,
      )
    }
  }

  #fail(reason: ChainReason, message: string): ChainRefused {
    const refused = new ChainRefused(reason, message)
    this.failure = refused
    return refused
  }
}
