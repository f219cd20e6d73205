// Records by digest without an object for each: a million take some 70 bytes each, and the collector does not look at them. A table
// is built once and never changed; it has digests of one algorithm.
import type { Digest, DigestAlgorithm } from '#oci/digest.ts'

const hexStart = 'sha256:'.length
const wordsOf = { sha256: 8, sha512: 16 } as const satisfies Record<DigestAlgorithm, number>
const prefixOf = { sha256: 'sha256:', sha512: 'sha512:' } as const satisfies Record<DigestAlgorithm, string>

/** The digit's value; above 15 for what is no lower-case hex digit. */
function digitAt(text: string, at: number): number {
  const code = text.charCodeAt(at)
  if (code < 58) return code < 48 ? 99 : code - 48
  return code < 97 ? 99 : code - 87
}

/** 32 bits of the text; -1, which no record has, where it is no hex. */
function wordAt(text: string, at: number): number {
  let word = 0
  for (let i = at; i < at + 8; i++) {
    const digit = digitAt(text, i)
    if (digit > 15) return -1
    word = (word << 4) | digit
  }
  return word >>> 0
}

type Records = { readonly words: Uint32Array; readonly width: number; readonly digestWords: number }

/** The place of the record, or below 0 the free slot where it would go: -1 - slot. */
function placeOf({ words, width, digestWords }: Records, slots: Int32Array, digest: string): number {
  const mask = slots.length - 1
  const first = wordAt(digest, hexStart)
  for (let slot = first & mask; ; slot = (slot + 1) & mask) {
    const place = slots[slot]! - 1
    if (place < 0) return -1 - slot
    const at = place * width
    if (words[at] !== first) continue
    let i = 1
    while (i < digestWords && words[at + i] === wordAt(digest, hexStart + i * 8)) i++
    if (i === digestWords) return place
  }
}

export class DigestTable {
  readonly size: number
  readonly #algorithm: DigestAlgorithm
  readonly #records: Records
  /** By the first word of the digest, the place of a record + 1; 0: free. */
  readonly #slots: Int32Array

  /** Made by TableBuilder. */
  constructor(algorithm: DigestAlgorithm, records: Records, size: number, slots: Int32Array) {
    this.#algorithm = algorithm
    this.#records = records
    this.size = size
    this.#slots = slots
  }

  get words(): Uint32Array {
    return this.#records.words
  }

  /** Where the columns of this digest begin in `words`; -1: it is not here. */
  find(digest: string): number {
    const { digestWords, width } = this.#records
    if (this.size === 0 || digest.length !== hexStart + digestWords * 8) return -1
    if (!digest.startsWith(prefixOf[this.#algorithm])) return -1
    const place = placeOf(this.#records, this.#slots, digest)
    return place < 0 ? -1 : place * width + digestWords
  }

  /** Of the record whose columns begin there. */
  digestAt(columns: number): Digest {
    const { words, digestWords } = this.#records
    let text: string = prefixOf[this.#algorithm]
    for (let i = columns - digestWords; i < columns; i++) text += words[i]!.toString(16).padStart(8, '0')
    return text as Digest
  }

  /** Where the columns of each record begin, in the order in which they were added. */
  *places(): Generator<number> {
    const { width, digestWords } = this.#records
    for (let i = 0; i < this.size; i++) yield i * width + digestWords
  }
}

export class TableBuilder {
  readonly #algorithm: DigestAlgorithm
  readonly #records: Records
  readonly #slots: Int32Array
  #size = 0

  /** `columns`: words of a record beside its digest; `capacity`: the most records that it will have. */
  constructor(algorithm: DigestAlgorithm, columns: number, capacity: number) {
    this.#algorithm = algorithm
    const digestWords = wordsOf[algorithm]
    const width = digestWords + columns
    this.#records = { words: new Uint32Array(width * capacity), width, digestWords }
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(2, capacity * 1.5))))
  }

  get words(): Uint32Array {
    return this.#records.words
  }

  get size(): number {
    return this.#size
  }

  /** Where its columns are to be written; the same place again for a digest that is there. */
  add(digest: Digest): number {
    const { words, width, digestWords } = this.#records
    const place = placeOf(this.#records, this.#slots, digest)
    if (place >= 0) return place * width + digestWords
    const at = this.#size * width
    for (let i = 0; i < digestWords; i++) words[at + i] = wordAt(digest, hexStart + i * 8)
    this.#size++
    this.#slots[-1 - place] = this.#size
    return at + digestWords
  }

  build(): DigestTable {
    const { words, width, digestWords } = this.#records
    const used = this.#size * width
    const records = { words: used < words.length ? words.slice(0, used) : words, width, digestWords }
    return new DigestTable(this.#algorithm, records, this.#size, this.#slots)
  }
}
