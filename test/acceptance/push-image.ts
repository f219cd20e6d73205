// Pushes by the distribution spec's own requests, for tests that need many repositories in a short time.

import { type Content, type Image, makeIndex } from '../kit/images.ts'

export type Registry = { readonly url: string; readonly user: string; readonly password: string }

async function send({ url, user, password }: Registry, path: string, init: RequestInit): Promise<Response> {
  const authorization = `Basic ${btoa(`${user}:${password}`)}`
  const answer = await fetch(new URL(path, url), { ...init, headers: { authorization, ...(init.headers as object) } })
  if (!answer.ok) throw new Error(`${init.method} ${path}: ${answer.status} ${await answer.text()}`)
  return answer
}

async function pushBlob(registry: Registry, name: string, digest: string, bytes: Uint8Array): Promise<void> {
  const path = `/v2/${name}/blobs/uploads/?digest=${digest}`
  await send(registry, path, { method: 'POST', body: bytes as Uint8Array<ArrayBuffer> })
}

async function pushManifest(
  registry: Registry,
  name: string,
  tags: readonly string[],
  content: Content,
): Promise<void> {
  const headers = { 'content-type': content.mediaType }
  const query = tags.map((tag) => `tag=${tag}`).join('&')
  const path = `/v2/${name}/manifests/${content.digest}?${query}`
  await send(registry, path, { method: 'PUT', headers, body: content.bytes as Uint8Array<ArrayBuffer> })
}

/** At most a hundred tags. */
export async function pushImage(
  registry: Registry,
  name: string,
  tags: readonly string[],
  image: Image,
): Promise<void> {
  for (const layer of image.layers) await pushBlob(registry, name, layer.digest, layer.gzip)
  await pushBlob(registry, name, image.config.digest, image.config.bytes)
  await pushManifest(registry, name, tags, image.manifest)
}

export async function pushIndex(
  registry: Registry,
  name: string,
  tags: readonly string[],
  images: readonly Image[],
): Promise<void> {
  for (const image of images) await pushImage(registry, name, [], image)
  await pushManifest(registry, name, tags, makeIndex(images))
}
