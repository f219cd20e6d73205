// The sample image of the demonstration: two layers, one of them large enough to travel, the same bytes every time.

import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { digestOf } from '#blobs/hashing.ts'
import { mediaTypes } from '#oci/media-type.ts'

export type DemoImage = { readonly blobs: readonly Uint8Array[]; readonly manifest: Uint8Array }

const cargoBytes = 1 << 20
const epoch = new Date(0)
const greeting = `Hello from Flotilla.

You pulled this image from a front door; its larger layer came from a volunteer's host, the rest from the front door itself.
`

export async function makeDemoImage(): Promise<DemoImage> {
  const layers = [await tarOf('hello.txt', Buffer.from(greeting)), await tarOf('cargo.bin', cargo())]
  const packed = layers.map((layer) => gzipSync(layer, { level: 6 }))
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      created: epoch.toISOString(),
      config: { Labels: { 'org.opencontainers.image.title': 'hello', 'org.opencontainers.image.version': '1' } },
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => digestOf(layer)) },
      history: layers.map(() => ({ created: epoch.toISOString(), created_by: 'flotilla up --demo' })),
    }),
  )
  const describe = (mediaType: string, bytes: Uint8Array) => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
  })
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: describe(mediaTypes.ociConfig, config),
      layers: packed.map((layer) => describe('application/vnd.oci.image.layer.v1.tar+gzip', layer)),
    }),
  )
  return { blobs: [config, ...packed], manifest }
}

/** Bytes that no compression shrinks, without any randomness: a chain of hashes. */
function cargo(): Buffer {
  const blocks: Buffer[] = []
  let block = createHash('sha256').update('flotilla').digest()
  for (let size = 0; size < cargoBytes; size += block.length) {
    blocks.push(block)
    block = createHash('sha256').update(block).digest()
  }
  return Buffer.concat(blocks)
}

async function tarOf(name: string, content: Buffer): Promise<Buffer> {
  const tar = pack()
  tar.entry({ name, mode: 0o644, mtime: epoch }, content)
  tar.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of tar) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
