// A published tree made by hand: what the publish stage leaves, without a catalogue behind it.

import { createHash } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, writeFileAtomically } from '#kit/atomic-file.ts'
import { blobPath, type Digest, makeDigest } from '#oci/digest.ts'
import { type BlobListLine, type ListedBlob, writeBlobList } from '#snapshots/blob-list.ts'
import { aboutContents, filesOf, type TreeContents, type TreeFile } from '#snapshots/tree-contents.ts'
import { spanPath } from '#snapshots/tree-path.ts'
import type { TreeSigner } from '#trust/tree-signer.ts'
import { openTestTrust } from './trust.ts'

export const digestOf = (bytes: Uint8Array): Digest =>
  makeDigest('sha256', createHash('sha256').update(bytes).digest('hex'))

export class PublishedTree {
  readonly folder: string
  readonly channel: string
  readonly trust: TreeSigner
  readonly blobs = new Map<Digest, ListedBlob>()
  #before = new Map<Digest, ListedBlob>()
  generation = 0
  lists: TreeFile[] = []
  packs: TreeFile[] = []

  private constructor(folder: string, channel: string, trust: TreeSigner) {
    this.folder = folder
    this.channel = channel
    this.trust = trust
  }

  static async make(
    folder: string,
    keysFolder: string,
    channel = 'stable',
    now: () => number = Date.now,
  ): Promise<PublishedTree> {
    const tree = new PublishedTree(folder, channel, (await openTestTrust(keysFolder, now)).tree)
    for (const name of ['lists', 'catalogue', 'metadata']) await makeFolder(join(folder, name))
    return tree
  }

  async add(bytes: Uint8Array): Promise<Digest> {
    const digest = digestOf(bytes)
    const path = join(this.folder, blobPath(digest))
    await makeFolder(join(path, '..'))
    await writeFileAtomically(path, bytes)
    this.blobs.set(digest, { digest, sizeBytes: bytes.length, generation: this.generation + 1 })
    return digest
  }

  /** From the list only; the file stays, as it does until the publisher's own grace is over. */
  remove(digest: Digest): void {
    this.blobs.delete(digest)
  }

  async eraseBlob(digest: Digest): Promise<void> {
    await rm(join(this.folder, blobPath(digest)))
  }

  /** A delta each time, a whole list only for the first generation and when asked. */
  async publish(
    options: { readonly isCheckpoint?: boolean; readonly change?: Partial<TreeContents> } = {},
  ): Promise<TreeContents> {
    const from = this.generation++
    const to = this.generation
    if (from > 0) this.lists.push(await this.#writeList(from, this.#changes()))
    if (from === 0 || options.isCheckpoint) this.lists.push(await this.#writeList(0, sorted(this.blobs.values(), '')))
    this.packs = [await this.#writePack(to)]
    this.#before = new Map(this.blobs)
    const { channel, lists, packs } = this
    const contents = { channel, generation: to, createdAtMs: Date.now(), lists, packs, ...options.change }
    await this.writeContents(contents)
    return contents
  }

  async writeContents(contents: TreeContents): Promise<void> {
    for (const { name, bytes } of await this.trust.signContents(aboutContents(contents), filesOf(contents)))
      await writeFileAtomically(join(this.folder, 'metadata', name), bytes)
  }

  #changes(): BlobListLine[] {
    const came = [...this.blobs.values()].filter((blob) => !this.#before.has(blob.digest))
    const left = [...this.#before.values()].filter((blob) => !this.blobs.has(blob.digest))
    return [...sorted(came, '+'), ...sorted(left, '-')].sort(byDigest)
  }

  async #writeList(from: number, lines: BlobListLine[]): Promise<TreeFile> {
    const path = spanPath('list', { from, to: this.generation })
    const header = { channel: this.channel, from, to: this.generation, count: lines.length }
    const written = await writeBlobList(join(this.folder, path), header, lines)
    return { path, from, to: this.generation, ...written }
  }

  async #writePack(to: number): Promise<TreeFile> {
    const path = spanPath('pack', { from: 0, to })
    const bytes = Buffer.from(`the catalogue of generation ${to}`)
    await mkdir(join(this.folder, 'catalogue'), { recursive: true })
    await writeFileAtomically(join(this.folder, path), bytes)
    return { path, from: 0, to, sizeBytes: bytes.length, digest: digestOf(bytes) }
  }
}

const byDigest = (a: ListedBlob, b: ListedBlob) => (a.digest < b.digest ? -1 : 1)

function sorted(blobs: Iterable<ListedBlob>, sign: BlobListLine['sign']): BlobListLine[] {
  return [...blobs].map((blob) => ({ ...blob, sign })).sort(byDigest)
}
