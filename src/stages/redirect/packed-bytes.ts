// Manifests and small blobs, read from the packs once and kept while they are asked for, within a bound.
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { algorithmOf, type Digest, hexOf } from '#oci/digest.ts'
import type { PackedBytes } from '#snapshots/publication.ts'

/** Two generations of entries: the younger takes reads and writes; when it is full it becomes the older, and the older is dropped. */
export class PackedBytesReader {
  readonly #maxBytes: number
  #young = new Map<Digest, Uint8Array>()
  #old = new Map<Digest, Uint8Array>()
  #youngBytes = 0
  readonly #reading = new Map<Digest, Promise<Uint8Array>>()

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** The bytes if they are at hand. */
  find(digest: Digest): Uint8Array | undefined {
    const bytes = this.#young.get(digest)
    if (bytes) return bytes
    const older = this.#old.get(digest)
    if (older) this.#keep(digest, older)
    return older
  }

  /** Reads them; one read, however many wait. Throws when the pack no longer has them as they were published. */
  read(digest: Digest, place: PackedBytes): Promise<Uint8Array> {
    let reading = this.#reading.get(digest)
    if (!reading) {
      reading = readPacked(digest, place).finally(() => this.#reading.delete(digest))
      this.#reading.set(digest, reading)
      void reading.then(
        (bytes) => this.#keep(digest, bytes),
        () => undefined,
      )
    }
    return reading
  }

  #keep(digest: Digest, bytes: Uint8Array): void {
    if (this.#young.has(digest)) return
    if (this.#youngBytes + bytes.length > this.#maxBytes / 2) {
      this.#old = this.#young
      this.#young = new Map()
      this.#youngBytes = 0
    }
    if (bytes.length > this.#maxBytes / 2) return
    this.#young.set(digest, bytes)
    this.#youngBytes += bytes.length
  }
}

async function readPacked(digest: Digest, { pack, offset, sizeBytes }: PackedBytes): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(sizeBytes)
  const handle = await open(pack, 'r')
  try {
    for (let done = 0; done < sizeBytes; ) {
      const { bytesRead } = await handle.read(bytes, done, sizeBytes - done, offset + done)
      if (bytesRead === 0) throw new Error(`${pack} ends before ${digest}`)
      done += bytesRead
    }
  } finally {
    await handle.close()
  }
  if (createHash(algorithmOf(digest)).update(bytes).digest('hex') !== hexOf(digest)) {
    throw new Error(`${pack} no longer has the bytes of ${digest} at ${offset}`)
  }
  return bytes
}
