// Blobs, manifests and pushes as the distribution spec words them.

import { createHash, randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { makeTar } from '../kit/tar.ts'
import type { Client, Reply } from './registry.ts'

export const types = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  empty: 'application/vnd.oci.empty.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  gzipLayer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  foreignLayer: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerSchema1: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
  example: 'application/vnd.example.thing.v1',
  otherExample: 'application/vnd.example.thing.v2',
} as const

export type Algorithm = 'sha256' | 'sha512'
export type Descriptor = { readonly mediaType: string; readonly digest: string; readonly size: number } & Readonly<
  Record<string, unknown>
>
export type Blob = { readonly bytes: Buffer; readonly digest: string }
export type Manifest = Blob & { readonly mediaType: string; readonly descriptor: Descriptor }

export function digestOf(bytes: Uint8Array | string, algorithm: Algorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}

export function blobOf(bytes: Uint8Array | string, algorithm: Algorithm = 'sha256'): Blob {
  return { bytes: Buffer.from(bytes), digest: digestOf(bytes, algorithm) }
}

export function randomBlob(sizeBytes: number, algorithm: Algorithm = 'sha256'): Blob {
  return blobOf(randomBytes(sizeBytes), algorithm)
}

export function layerBlob(algorithm: Algorithm = 'sha256', isCompressed = true): Blob {
  const tar = makeTar([{ name: 'lucky-number', bytes: randomBytes(16) }])
  return blobOf(isCompressed ? gzipSync(tar) : tar, algorithm)
}

export function describe(mediaType: string, blob: Blob, more: Readonly<Record<string, unknown>> = {}): Descriptor {
  return { mediaType, digest: blob.digest, size: blob.bytes.length, ...more }
}

export function manifestOf(value: Readonly<Record<string, unknown>>, algorithm: Algorithm = 'sha256'): Manifest {
  const blob = blobOf(JSON.stringify(value), algorithm)
  const mediaType = value.mediaType as string
  return { ...blob, mediaType, descriptor: describe(mediaType, blob) }
}

export const emptyConfig = blobOf('{}')

export async function startUpload(client: Client, name: string, query = ''): Promise<string> {
  const answer = await client.ask('POST', `/v2/${name}/blobs/uploads/${query}`)
  if (answer.status !== 202) throw new Error(`POST of an upload: ${answer.status} ${answer.text}`)
  return answer.headers.get('location')!
}

export function withQuery(location: string, query: Readonly<Record<string, string>>): string {
  return `${location}${location.includes('?') ? '&' : '?'}${new URLSearchParams(query)}`
}

export async function pushBlob(client: Client, name: string, blob: Blob): Promise<void> {
  const location = await startUpload(client, name)
  const answer = await client.ask('PUT', withQuery(location, { digest: blob.digest }), { body: blob.bytes })
  if (answer.status !== 201) throw new Error(`PUT of ${blob.digest}: ${answer.status} ${answer.text}`)
}

export async function putManifest(
  client: Client,
  name: string,
  reference: string,
  manifest: { readonly bytes: Uint8Array | string; readonly mediaType: string },
): Promise<Reply> {
  return await client.ask('PUT', `/v2/${name}/manifests/${reference}`, {
    body: manifest.bytes,
    headers: { 'content-type': manifest.mediaType },
  })
}

export async function pushManifest(client: Client, name: string, reference: string, manifest: Manifest): Promise<void> {
  const answer = await putManifest(client, name, reference, manifest)
  if (answer.status !== 201) throw new Error(`PUT of manifest ${reference}: ${answer.status} ${answer.text}`)
}

export type ImageParts = { readonly blobs: readonly Blob[]; readonly manifest: Manifest }

/** An image of two small layers; `more` goes into its manifest. */
export function makeImage(more: Readonly<Record<string, unknown>> = {}, algorithm: Algorithm = 'sha256'): ImageParts {
  const layers = [layerBlob(algorithm), layerBlob(algorithm)]
  const config = blobOf(
    JSON.stringify({
      os: 'linux',
      architecture: 'amd64',
      rootfs: { type: 'layers', diff_ids: [] },
      serial: Math.random(),
    }),
    algorithm,
  )
  const manifest = manifestOf(
    {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: describe(types.config, config),
      layers: layers.map((layer) => describe(types.gzipLayer, layer)),
      ...more,
    },
    algorithm,
  )
  return { blobs: [...layers, config], manifest }
}

export async function pushImage(client: Client, name: string, reference: string, image: ImageParts): Promise<void> {
  for (const blob of image.blobs) await pushBlob(client, name, blob)
  await pushManifest(client, name, reference, image.manifest)
}

export function makeIndex(
  children: readonly Manifest[],
  more: Readonly<Record<string, unknown>> = {},
  algorithm: Algorithm = 'sha256',
): Manifest {
  return manifestOf(
    { schemaVersion: 2, mediaType: types.index, manifests: children.map((child) => child.descriptor), ...more },
    algorithm,
  )
}
