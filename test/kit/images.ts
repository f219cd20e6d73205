// Images made by code, so that no test needs a network: real layers of random bytes, as an OCI layout and as a docker archive.

import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { makeTar } from './tar.ts'

export type Platform = { readonly os: string; readonly architecture: string }
export type Layer = {
  readonly tar: Uint8Array
  readonly gzip: Uint8Array
  readonly digest: string
  readonly diffId: string
}
export type Content = { readonly mediaType: string; readonly digest: string; readonly bytes: Uint8Array }
export type Image = {
  readonly platform: Platform
  readonly layers: readonly Layer[]
  readonly config: Content
  readonly manifest: Content
}

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }
export const ownPlatform: Platform = { os: 'linux', architecture: architectures[process.arch] ?? process.arch }
export const otherPlatform: Platform = {
  os: 'linux',
  architecture: ownPlatform.architecture === 'arm64' ? 'amd64' : 'arm64',
}

const ociType = (kind: string) => `application/vnd.oci.image.${kind}`

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function toContent(mediaType: string, value: unknown): Content {
  const bytes = Buffer.from(JSON.stringify(value))
  return { mediaType, digest: digestOf(bytes), bytes }
}

function describe(mediaType: string, bytes: Uint8Array): object {
  return { mediaType, digest: digestOf(bytes), size: bytes.length }
}

/** One file of random bytes, which no compression shortens: the blob is a little longer than `sizeBytes`. */
export function makeLayer(sizeBytes: number, file = `data-${sizeBytes}`): Layer {
  const tar = makeTar([{ name: file, bytes: randomBytes(sizeBytes) }])
  const gzip = gzipSync(tar, { level: 1 })
  return { tar, gzip, digest: digestOf(gzip), diffId: digestOf(tar) }
}

export function makeImage(layers: readonly Layer[], platform: Platform = ownPlatform): Image {
  const config = toContent(ociType('config.v1+json'), {
    created: '2026-01-01T00:00:00Z',
    ...platform,
    config: { Cmd: ['/true'], Labels: { 'org.example.serial': randomBytes(8).toString('hex') } },
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
    history: layers.map(() => ({ created: '2026-01-01T00:00:00Z', created_by: 'a test' })),
  })
  const manifest = toContent(ociType('manifest.v1+json'), {
    schemaVersion: 2,
    mediaType: ociType('manifest.v1+json'),
    config: describe(config.mediaType, config.bytes),
    layers: layers.map((layer) => describe(ociType('layer.v1.tar+gzip'), layer.gzip)),
  })
  return { platform, layers, config, manifest }
}

export function makeIndex(images: readonly Image[]): Content {
  return toContent(ociType('index.v1+json'), {
    schemaVersion: 2,
    mediaType: ociType('index.v1+json'),
    manifests: images.map(({ manifest, platform }) => ({ ...describe(manifest.mediaType, manifest.bytes), platform })),
  })
}

function writeContent(folder: string, digest: string, bytes: Uint8Array): void {
  const path = join(folder, 'blobs', ...digest.split(':'))
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, bytes)
}

/** Writes an OCI layout whose only entry is tagged `image`: the image itself, or an index when there are several. */
export function writeOciLayout(folder: string, images: readonly Image[]): string {
  const [first] = images
  if (first === undefined) throw new Error('a layout needs an image')
  const top = images.length === 1 ? first.manifest : makeIndex(images)
  for (const image of images) {
    for (const layer of image.layers) writeContent(folder, layer.digest, layer.gzip)
    for (const { digest, bytes } of [image.config, image.manifest]) writeContent(folder, digest, bytes)
  }
  writeContent(folder, top.digest, top.bytes)
  const entry = { ...describe(top.mediaType, top.bytes), annotations: { 'org.opencontainers.image.ref.name': 'image' } }
  writeFileSync(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }))
  return top.digest
}

/** What `docker load` reads. */
export function makeDockerArchive(image: Image, tag: string): Uint8Array {
  const layers = image.layers.map((layer, at) => ({ name: `${at}/layer.tar`, bytes: layer.tar }))
  const list = [{ Config: 'config.json', RepoTags: [tag], Layers: layers.map((layer) => layer.name) }]
  return makeTar([
    { name: 'config.json', bytes: image.config.bytes },
    ...layers,
    { name: 'manifest.json', bytes: Buffer.from(JSON.stringify(list)) },
  ])
}
