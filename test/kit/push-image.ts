// A push by plain HTTP, as any client does it, for tests that are not about clients.

import { type Content, type Image, makeIndex } from './images.ts'

export type PushTarget = { readonly registry: string; readonly user: string; readonly secret: string }

async function must(answer: Response, status: number): Promise<Response> {
  if (answer.status !== status) throw new Error(`${answer.url}: ${answer.status} ${await answer.text()}`)
  return answer
}

const loginOf = ({ user, secret }: PushTarget) => ({ authorization: `Basic ${btoa(`${user}:${secret}`)}` })

/** Under one tag, or under several (at most a hundred) with one request. */
export async function pushImage(
  target: PushTarget,
  repository: string,
  tags: string | readonly string[],
  image: Image,
): Promise<void> {
  const headers = loginOf(target)
  const base = `${target.registry}/v2/${repository}`
  const blobs = [image.config, ...image.layers.map((layer) => ({ digest: layer.digest, bytes: layer.gzip }))]
  for (const { digest, bytes } of blobs) {
    const started = await must(await fetch(`${base}/blobs/uploads/`, { method: 'POST', headers }), 202)
    const place = new URL(started.headers.get('location') ?? '', target.registry)
    place.searchParams.set('digest', digest)
    await must(await fetch(place, { method: 'PUT', headers, body: new Uint8Array(bytes) }), 201)
  }
  await pushManifest(target, repository, tags, image.manifest)
}

export async function pushIndex(
  target: PushTarget,
  repository: string,
  tag: string,
  images: readonly Image[],
): Promise<void> {
  for (const image of images) await pushImage(target, repository, [], image)
  await pushManifest(target, repository, tag, makeIndex(images))
}

async function pushManifest(
  target: PushTarget,
  repository: string,
  tags: string | readonly string[],
  { mediaType, digest, bytes }: Content,
): Promise<void> {
  const reference = typeof tags === 'string' ? tags : `${digest}?${tags.map((tag) => `tag=${tag}`).join('&')}`
  const headers = { ...loginOf(target), 'content-type': mediaType }
  const url = `${target.registry}/v2/${repository}/manifests/${reference}`
  await must(await fetch(url, { method: 'PUT', headers, body: new Uint8Array(bytes) }), 201)
}
