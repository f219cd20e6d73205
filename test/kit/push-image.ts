// A push by plain HTTP, as any client does it, for tests that are not about clients.

import type { Image } from './images.ts'

export type PushTarget = { readonly registry: string; readonly user: string; readonly secret: string }

async function must(answer: Response, status: number): Promise<Response> {
  if (answer.status !== status) throw new Error(`${answer.url}: ${answer.status} ${await answer.text()}`)
  return answer
}

export async function pushImage(target: PushTarget, repository: string, tag: string, image: Image): Promise<void> {
  const authorization = `Basic ${btoa(`${target.user}:${target.secret}`)}`
  const base = `${target.registry}/v2/${repository}`
  const blobs = [image.config, ...image.layers.map((layer) => ({ digest: layer.digest, bytes: layer.gzip }))]
  for (const { digest, bytes } of blobs) {
    const started = await must(
      await fetch(`${base}/blobs/uploads/`, { method: 'POST', headers: { authorization } }),
      202,
    )
    const place = new URL(started.headers.get('location') ?? '', target.registry)
    place.searchParams.set('digest', digest)
    await must(await fetch(place, { method: 'PUT', headers: { authorization }, body: new Uint8Array(bytes) }), 201)
  }
  const { mediaType, bytes } = image.manifest
  const headers = { authorization, 'content-type': mediaType }
  await must(await fetch(`${base}/manifests/${tag}`, { method: 'PUT', headers, body: new Uint8Array(bytes) }), 201)
}
