// Requests to a running Flotilla, as a builder's and a release engineer's programs make them.

import type { Flotilla } from './flotilla.ts'
import { digestOf } from './images.ts'

export const adminToken = 'an-admin-token-for-tests-only-0123456789'
const basic = `Basic ${Buffer.from(`admin:${adminToken}`).toString('base64')}`

/** An answer that was not what the request needs. */
export class Refused extends Error {
  readonly status: number
  constructor(what: string, status: number, body: string) {
    super(`${what}: ${status} ${body}`)
    this.status = status
  }
}

export async function askRegistry(server: Flotilla, path: string, init: RequestInit = {}): Promise<Response> {
  const url = path.startsWith('http') ? path : `${server.url('registry')}${path}`
  return await fetch(url, { ...init, headers: { authorization: basic, ...(init.headers as Record<string, string>) } })
}

export async function must(what: string, status: number, asked: Promise<Response>): Promise<Response> {
  const answer = await asked
  if (answer.status !== status) throw new Refused(what, answer.status, await answer.text())
  return answer
}

export async function askApi<T>(
  server: Flotilla,
  method: string,
  path: string,
  body?: object,
  key?: string,
): Promise<T> {
  const answer = await fetch(`${server.url('api')}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${adminToken}`,
      ...(body && { 'content-type': 'application/json' }),
      ...(key !== undefined && { 'idempotency-key': key }),
    },
    ...(body && { body: JSON.stringify(body) }),
  })
  if (!answer.ok) throw new Refused(`${method} ${path}`, answer.status, await answer.text())
  return (await answer.json()) as T
}

/** Where the next request of an upload goes; it may be relative. */
export function locationOf(server: Flotilla, answer: Response): string {
  return new URL(answer.headers.get('location')!, server.url('registry')).href
}

export async function pushBlob(server: Flotilla, repository: string, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = digestOf(bytes)
  const begun = await must('start', 202, askRegistry(server, `/v2/${repository}/blobs/uploads/`, { method: 'POST' }))
  const url = new URL(locationOf(server, begun))
  url.searchParams.set('digest', digest)
  await must('finish', 201, askRegistry(server, url.href, { method: 'PUT', body: bytes }))
  return digest
}

export type Pushed = { readonly digest: string; readonly blobs: readonly string[] }

export type ImagePush = {
  readonly repository: string
  readonly tag: string
  /** Every note is another image. */
  readonly note: string
  readonly layer: Uint8Array<ArrayBuffer>
  /** Told of each blob when it is acknowledged, and of the manifest before it is sent. */
  readonly onBlob?: (digest: string) => void
  readonly onManifest?: (digest: string) => void
}

/** An image of one layer. */
export async function pushImage(server: Flotilla, image: ImagePush): Promise<Pushed> {
  const { repository, tag, note, layer } = image
  const config = new TextEncoder().encode(JSON.stringify({ os: 'linux', architecture: 'amd64', note }))
  const blobs: string[] = []
  for (const bytes of [config, layer]) {
    const digest = await pushBlob(server, repository, bytes)
    image.onBlob?.(digest)
    blobs.push(digest)
  }
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: blobs[0], size: config.length },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: blobs[1], size: layer.length }],
  })
  const digest = digestOf(Buffer.from(manifest))
  image.onManifest?.(digest)
  const headers = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }
  const path = `/v2/${repository}/manifests/${tag}`
  await must('manifest', 201, askRegistry(server, path, { method: 'PUT', headers, body: manifest }))
  return { digest, blobs }
}
