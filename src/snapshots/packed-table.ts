// What a repository has, by digest: manifests or blobs, in tables. Of each the size, where its bytes lie in a pack, and a detail;
// equal details (a media type, a generation) are kept once.
import type { Digest, DigestAlgorithm } from '#oci/digest.ts'
import { type DigestTable, TableBuilder } from './digest-table.ts'

/** A pack on this machine. Offsets in its index count from its payload, whose beginning is known when the index has been read. */
export type PackFile = { readonly path: string; payloadStart: number }

/** Bytes inside a pack file on this machine. */
export type PackedBytes = { readonly pack: string; readonly offset: number; readonly sizeBytes: number }

export type Packed<D> = {
  readonly digest: Digest
  readonly sizeBytes: number
  /** Counted from the payload. */
  readonly offset: number | undefined
  readonly detail: D
}

export type PackedKind<T, D> = {
  /** Equal keys, equal details; undefined: a detail of its own. */
  keyOf(detail: D): string | number | undefined
  make(digest: Digest, sizeBytes: number, bytes: PackedBytes | undefined, detail: D): T
}

type Tables = Readonly<Record<DigestAlgorithm, DigestTable>>

/** Words: size (2), pack (from 1; 0: none), offset (2), detail. Numbers above 32 bits take two, the lower half first. */
const columns = 6
const [packAt, offsetAt, detailAt] = [2, 3, 5] as const
const upper = 0x1_0000_0000

function writeNumber(words: Uint32Array, at: number, value: number): void {
  words[at] = value
  words[at + 1] = Math.floor(value / upper)
}

function readNumber(words: Uint32Array, at: number): number {
  return words[at]! + words[at + 1]! * upper
}

/** A list of which equal members are one. */
class Interned<M> {
  readonly members: M[]
  readonly #keyOf: (member: M) => unknown
  readonly #indexes = new Map<unknown, number>()

  constructor(members: readonly M[], keyOf: (member: M) => unknown) {
    this.members = [...members]
    this.#keyOf = keyOf
    for (const [i, member] of members.entries()) this.#indexes.set(keyOf(member) ?? member, i)
  }

  indexOf(member: M): number {
    const key = this.#keyOf(member) ?? member
    const known = this.#indexes.get(key)
    if (known !== undefined) return known
    this.#indexes.set(key, this.members.length)
    return this.members.push(member) - 1
  }
}

const isSha512 = (digest: string) => digest.startsWith('sha512:')

function builders(sha256: number, sha512: number): Readonly<Record<DigestAlgorithm, TableBuilder>> {
  return {
    sha256: new TableBuilder('sha256', columns, sha256),
    sha512: new TableBuilder('sha512', columns, sha512),
  }
}

export class PackedTable<T, D> {
  readonly #kind: PackedKind<T, D>
  readonly #tables: Tables
  readonly #packs: readonly PackFile[]
  readonly #details: readonly D[]

  private constructor(kind: PackedKind<T, D>, tables: Tables, packs: readonly PackFile[], details: readonly D[]) {
    this.#kind = kind
    this.#tables = tables
    this.#packs = packs
    this.#details = details
  }

  /** What one pack says; a digest that comes twice is there once. */
  static of<T, D>(kind: PackedKind<T, D>, items: readonly Packed<D>[], pack: PackFile): PackedTable<T, D> {
    const long = items.reduce((count, { digest }) => count + (isSha512(digest) ? 1 : 0), 0)
    const built = builders(items.length - long, long)
    const details = new Interned<D>([], kind.keyOf)
    for (const { digest, sizeBytes, offset, detail } of items) {
      const builder = isSha512(digest) ? built.sha512 : built.sha256
      const at = builder.add(digest)
      const { words } = builder
      writeNumber(words, at, sizeBytes)
      words[at + packAt] = offset === undefined ? 0 : 1
      writeNumber(words, at + offsetAt, offset ?? 0)
      words[at + detailAt] = details.indexOf(detail)
    }
    const tables = { sha256: built.sha256.build(), sha512: built.sha512.build() }
    return new PackedTable(kind, tables, [pack], details.members)
  }

  get size(): number {
    return this.#tables.sha256.size + this.#tables.sha512.size
  }

  has(digest: string): boolean {
    return this.#tables.sha256.find(digest) >= 0 || this.#tables.sha512.find(digest) >= 0
  }

  get(digest: string): T | undefined {
    const { sha256, sha512 } = this.#tables
    const table = sha512.size > 0 && isSha512(digest) ? sha512 : sha256
    const at = table.find(digest)
    return at < 0 ? undefined : this.#read(table.words, at, digest as Digest)
  }

  *keys(): Generator<Digest> {
    for (const table of [this.#tables.sha256, this.#tables.sha512])
      for (const at of table.places()) yield table.digestAt(at)
  }

  /** Those whose detail is wanted. */
  *values(isWanted: (detail: D) => boolean = () => true): Generator<T> {
    for (const table of [this.#tables.sha256, this.#tables.sha512])
      for (const at of table.places())
        if (isWanted(this.#details[table.words[at + detailAt]!]!)) yield this.#read(table.words, at, table.digestAt(at))
  }

  #read(words: Uint32Array, at: number, digest: Digest): T {
    const sizeBytes = readNumber(words, at)
    const pack = this.#packs[words[at + packAt]! - 1]
    const bytes = pack && { pack: pack.path, offset: pack.payloadStart + readNumber(words, at + offsetAt), sizeBytes }
    return this.#kind.make(digest, sizeBytes, bytes, this.#details[words[at + detailAt]!]!)
  }

  /** Another table: this one without `removed`, and with `added` in place of what has the same digest. */
  changed(removed: ReadonlySet<string>, added: PackedTable<T, D>): PackedTable<T, D> {
    if (removed.size === 0 && added.size === 0) return this
    if (this.size === 0) return added
    const [mine, theirs] = [this.#tables, added.#tables]
    const built = builders(mine.sha256.size + theirs.sha256.size, mine.sha512.size + theirs.sha512.size)
    const packs = new Interned<PackFile>(this.#packs, () => undefined)
    const details = new Interned<D>(this.#details, this.#kind.keyOf)
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const builder = built[algorithm]
      for (const at of mine[algorithm].places()) {
        const digest = mine[algorithm].digestAt(at)
        if (!removed.has(digest))
          builder.words.set(mine[algorithm].words.subarray(at, at + columns), builder.add(digest))
      }
      for (const at of theirs[algorithm].places()) {
        const { words } = theirs[algorithm]
        const to = builder.add(theirs[algorithm].digestAt(at))
        builder.words.set(words.subarray(at, at + columns), to)
        const pack = added.#packs[words[at + packAt]! - 1]
        builder.words[to + packAt] = pack ? packs.indexOf(pack) + 1 : 0
        builder.words[to + detailAt] = details.indexOf(added.#details[words[at + detailAt]!]!)
      }
    }
    const tables = { sha256: built.sha256.build(), sha512: built.sha512.build() }
    return new PackedTable(this.#kind, tables, packs.members, details.members)
  }
}
