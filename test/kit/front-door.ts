// A front door over a real published pack, for tests that ask it in memory; and hosts that fail in every way that was seen.

import { createHash } from 'node:crypto'
import { createServer, type RequestListener, type Server } from 'node:http'
import { join } from 'node:path'
import type { Answer, Ask } from '#http/answer.ts'
import { clientAddressReader } from '#http/client-address.ts'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { parseCidr } from '#kit/address.ts'
import { blobPath, type Digest, makeDigest } from '#oci/digest.ts'
import { mediaTypes } from '#oci/media-type.ts'
import type { RepositoryName, Tag } from '#oci/name.ts'
import { applyPack } from '#snapshots/apply-pack.ts'
import { type PackManifest, writePack } from '#snapshots/catalogue-pack.ts'
import type { HostHealth } from '#snapshots/health.ts'
import { SnapshotHolder } from '#snapshots/holder.ts'
import type { PlacedHost } from '#snapshots/placement.ts'
import { noPlaces } from '#snapshots/places.ts'
import { readPack } from '#snapshots/read-pack.ts'
import type { Evidence } from '#stages/redirect/evidence.ts'
import { FrontDoor, type FrontOptions, type FrontParts, frontDefaults } from '#stages/redirect/front-door.ts'

export function digestOf(bytes: Uint8Array | string): Digest {
  return makeDigest('sha256', createHash('sha256').update(bytes).digest('hex'))
}

const text = (content: string) => Buffer.from(content)
export const layer = Buffer.alloc(300_000, 'all work and no play ')
export const otherLayer = Buffer.alloc(100_000, 'another repository ')
export const empty = Buffer.alloc(0)
/** A config that no pack carries. */
export const largeConfig = text(`{"architecture":"amd64","history":"${'made today; '.repeat(10_000)}"}`)
export const config = text('{"architecture":"amd64"}')
const descriptor = (mediaType: string, bytes: Uint8Array) => ({
  mediaType,
  digest: digestOf(bytes),
  size: bytes.length,
})
const json = (value: object) => text(JSON.stringify({ schemaVersion: 2, ...value }))
export const manifest = json({
  mediaType: mediaTypes.ociManifest,
  config: descriptor(mediaTypes.ociConfig, config),
  layers: [descriptor('application/vnd.oci.image.layer.v1.tar+gzip', layer)],
})
export const index = json({
  mediaType: mediaTypes.ociIndex,
  manifests: [descriptor(mediaTypes.ociManifest, manifest), descriptor(mediaTypes.ociManifest, text('not published'))],
})
export const sbom = text(`{"schemaVersion":2,"subject":{"digest":"${digestOf(manifest)}"}}`)
export const signature = text(`{"schemaVersion":2,"subject": {"digest":"${digestOf(manifest)}"}}`)

const all = [layer, otherLayer, empty, config, largeConfig, manifest, index, sbom, signature]
const byDigest = new Map(all.map((bytes) => [digestOf(bytes), bytes]))

const described = (bytes: Uint8Array, more: Partial<PackManifest> = {}): PackManifest => ({
  digest: digestOf(bytes),
  sizeBytes: bytes.length,
  mediaType: mediaTypes.ociManifest,
  ...more,
})
const blob = (bytes: Uint8Array) => ({ digest: digestOf(bytes), sizeBytes: bytes.length, generation: 3 })
export const tags = Array.from({ length: 25 }, (_, i) => `v${String(i).padStart(2, '0')}`)

export async function publish(folder: string, holder: SnapshotHolder, smallBlobBytes = 65_536): Promise<void> {
  const subject = digestOf(manifest)
  const header = { channel: 'stable', from: 0, to: 3, createdAtMs: 0, smallBlobBytes }
  const written = await writePack(
    join(folder, `3-${smallBlobBytes}.pack`),
    header,
    [
      {
        name: 'fedora/base' as RepositoryName,
        tagsSet: [['latest', digestOf(index)] as const, ...tags.map((tag) => [tag, digestOf(manifest)] as const)].map(
          ([tag, digest]) => [tag as Tag, digest] as const,
        ),
        manifestsAdded: [
          described(index, { mediaType: mediaTypes.ociIndex }),
          described(manifest),
          described(sbom, { subject, artifactType: 'application/spdx+json', annotations: { made: 'today' } }),
          described(signature, { subject, artifactType: 'application/vnd.dev.cosign.simplesigning.v1+json' }),
        ],
        blobsAdded: [
          blob(layer),
          blob(config),
          { ...blob(largeConfig), isConfig: true },
          ...(smallBlobBytes === 0 ? [blob(empty)] : []),
        ],
      },
      { name: 'other' as RepositoryName, blobsAdded: [blob(otherLayer)] },
    ],
    async function* (digest) {
      yield byDigest.get(digest)!
    },
  )
  holder.takePublication(await applyPack(undefined, await readPack(written.path)))
}

export function placed(id: number, url: string, more: Partial<PlacedHost> = {}): PlacedHost {
  return {
    id,
    name: `host${id}`,
    site: `site${id}`,
    grade: 'gold',
    country: undefined,
    bandwidthMbps: 100,
    isPrivate: false,
    netblocks: [],
    allowedCountries: [],
    asn: undefined,
    peerAsns: [],
    urls: [url],
    excluded: undefined,
    generation: 3,
    missing: [],
    extra: [],
    ticket: 'none',
    ...more,
  }
}

export type FrontFixture = {
  readonly front: FrontDoor
  readonly holder: SnapshotHolder
  readonly evidence: Evidence[]
  readonly outbound: OutboundClient
  readonly clock: { nowMs: number }
  /** Builds placement and health of this moment. */
  fleet(hosts: readonly PlacedHost[], health?: Partial<HostHealth>, builtAtMs?: number): void
}

export function openBlobIn(bytes: ReadonlyMap<string, Uint8Array> = byDigest): NonNullable<FrontParts['openBlob']> {
  return async (digest, range) => {
    const found = bytes.get(digest)
    if (!found) return undefined
    const part = Buffer.from(range ? found.subarray(range.first, range.last + 1) : found)
    return {
      sizeBytes: part.length,
      file: undefined,
      stream: () => new Blob([part]).stream() as ReadableStream<Uint8Array>,
      [Symbol.asyncDispose]: async () => undefined,
    }
  }
}

export async function openFront(
  folder: string,
  more: { options?: Partial<FrontOptions>; parts?: Partial<FrontParts>; smallBlobBytes?: number } = {},
): Promise<FrontFixture> {
  const holder = new SnapshotHolder('stable')
  await publish(folder, holder, more.smallBlobBytes)
  const evidence: Evidence[] = []
  const outbound = new OutboundClient({ allowPrivate: true, userAgent: 'test' })
  const clock = { nowMs: 1_800_000_000_000 }
  const front = new FrontDoor(
    {
      holder,
      places: noPlaces,
      readClientAddress: clientAddressReader([parseCidr('127.0.0.1/32')!]),
      ticketKey: Buffer.alloc(32, 7),
      report: (one) => evidence.push(one),
      now: () => clock.nowMs,
      random: () => 0.5,
      outbound,
      openBlob: openBlobIn(),
      ...more.parts,
    },
    { ...frontDefaults, ...more.options },
  )
  return {
    front,
    holder,
    evidence,
    outbound,
    clock,
    fleet(hosts, health, builtAtMs = clock.nowMs) {
      const version = builtAtMs
      holder.takePlacement({ format: 1, version, builtAtMs, channel: 'stable', hosts })
      const well = {
        isAlive: true,
        reason: undefined,
        checkedAtMs: builtAtMs,
        roundTripMs: 1,
        circuit: 'closed',
      } as const
      holder.takeHealth({ format: 1, version, builtAtMs, hosts: hosts.map(({ id }) => ({ id, ...well, ...health })) })
    },
  }
}

export function makeAsk(target: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): Ask {
  const question = target.indexOf('?')
  return {
    method,
    path: question < 0 ? target : target.slice(0, question),
    query: question < 0 ? '' : target.slice(question + 1),
    header: (name) => headers[name],
    peer: '127.0.0.1',
    isTls: false,
    body: undefined,
  }
}

export async function bodyOf({ body }: Answer): Promise<Buffer> {
  if (body === undefined) return empty
  if (typeof body === 'string') return Buffer.from(body)
  if (body instanceof Uint8Array) return Buffer.from(body)
  const chunks: Uint8Array[] = []
  for await (const chunk of 'sizeBytes' in body ? body.stream() : body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Answers one request of a host in some way; `answer` is what a good one would send. */
export type Fault = (answer: {
  readonly request: Parameters<RequestListener>[0]
  readonly response: Parameters<RequestListener>[1]
  readonly bytes: Buffer
  readonly first: number
  readonly last: number
}) => void

export const goodHost: Fault = ({ response, bytes, first, last }) => {
  response.writeHead(206, { 'content-range': `bytes ${first}-${last}/${bytes.length}` })
  response.end(bytes.subarray(first, last + 1))
}

export type FaultyHost = { readonly url: string; requests: string[]; fault: Fault; stop(): Promise<void> }

export async function startHost(fault: Fault = goodHost): Promise<FaultyHost> {
  const server: Server = createServer((request, response) => {
    host.requests.push(`${request.url} ${request.headers['user-agent']}`)
    const path = request.url!.split('?')[0]!.slice(1)
    const bytes = all.find((one) => blobPath(digestOf(one)) === path) ?? empty
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
    host.fault({ request, response, bytes, first: Number(first), last: Number(last) })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address() as { port: number }
  const host: FaultyHost = {
    url: `http://127.0.0.1:${address.port}`,
    requests: [],
    fault,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return host
}
