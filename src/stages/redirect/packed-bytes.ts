// Manifests and small blobs, read from the packs once and kept while they are asked for, within a bound.
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { BytesCache } from '#kit/bytes-cache.ts'
import { algorithmOf, type Digest, hexOf } from '#oci/digest.ts'
import type { PackedBytes } from '#snapshots/packed-table.ts'

export class PackedBytesReader {
  readonly #cache: BytesCache

  constructor(maxBytes: number) {
    this.#cache = new BytesCache(maxBytes)
  }

  /** The bytes if they are at hand. */
  find(digest: Digest): Uint8Array | undefined {
    return this.#cache.find(digest)
  }

  /** Throws when the pack no longer has them as they were published. */
  read(digest: Digest, place: PackedBytes): Promise<Uint8Array> {
    return this.#cache.load(digest, () => readPacked(digest, place))
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
