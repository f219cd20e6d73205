// Layers to push: one random buffer, made different by a prefix, so that a layer costs neither memory nor time while the clock runs.

import { createHash, randomBytes } from 'node:crypto'

export type BenchLayer = { readonly digest: string; readonly sizeBytes: number; pieces(): Uint8Array[] }

const pieceBytes = 1024 * 1024
const filler = randomBytes(pieceBytes)
const prefixBytes = 64

export function makeBenchLayer(sizeBytes: number): BenchLayer {
  const first = Buffer.concat([randomBytes(prefixBytes), filler.subarray(prefixBytes)]).subarray(0, sizeBytes)
  const pieces = () => {
    const all: Uint8Array[] = [first]
    for (let left = sizeBytes - first.length; left > 0; left -= pieceBytes) all.push(filler.subarray(0, left))
    return all
  }
  const hash = createHash('sha256')
  for (const piece of pieces()) hash.update(piece)
  return { digest: `sha256:${hash.digest('hex')}`, sizeBytes, pieces }
}

export function* asChunks(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  for (const piece of pieces) {
    yield Buffer.from(`${piece.length.toString(16)}\r\n`)
    yield piece
    yield Buffer.from('\r\n')
  }
  yield Buffer.from('0\r\n\r\n')
}
