// The rush after a publication: many registered hosts wait for a generation and copy it, each becomes an upstream of the others when
// the real mirror role has proven it. What happens is sampled while it happens.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Flotilla, startFlotilla } from './flotilla.ts'
import { adminToken, askApi } from './flotilla-client.ts'
import { type Fate, type HerdBlob, HerdReplica } from './herd-replica.ts'
import { makeImage, makeLayer } from './images.ts'
import type { Environment } from './process.ts'
import { pushImage } from './push-image.ts'
import { waitUntil } from './wait-until.ts'

export type HerdOptions = {
  readonly replicas: number
  readonly layers: number
  readonly layerBytes: number
  /** Of the first replicas, one each. */
  readonly fates?: readonly Fate[]
  readonly env?: Environment
  readonly before?: readonly string[]
  readonly limitMs: number
  readonly sampleEveryMs: number
  readonly onSample?: (sample: HerdSample) => void
}

export type HerdSample = {
  readonly seconds: number
  /** Replicas that have every layer. */
  readonly whole: number
  /** Those with something to copy that only wait. */
  readonly waiting: number
  readonly originBytes: number
  readonly hostBytes: number
  /** Of the blob that the origin sent most often. */
  readonly mostSends: number
}

export type Herd = { readonly samples: readonly HerdSample[]; readonly replicas: readonly HerdReplica[] }

/** What is left of the replicas are their books: they serve no more. */
export async function runHerd(options: HerdOptions): Promise<Herd> {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-herd-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const flotilla = stack.use(
    await startFlotilla({
      folder,
      ...(options.before && { before: options.before }),
      env: {
        FLOTILLA_ADMIN_TOKEN: adminToken,
        FLOTILLA_ALLOW_PRIVATE_HOSTS: 'true',
        FLOTILLA_TRUSTED_PROXIES: '127.0.0.1/32',
        FLOTILLA_DEMO: 'false',
        ...options.env,
      },
    }),
  )
  const replicas = await startReplicas(options, flotilla, stack)
  const first = await latestGeneration(flotilla)
  const herd = new AbortController()
  const blobs: HerdBlob[] = []
  const running = replicas.map(async (replica) => {
    const generation = await replica.waitForNews(first, herd.signal)
    await replica.copy(blobs, herd.signal)
    await askApi(flotilla, 'POST', `/api/v1/hosts/${replica.name}/check-ins`, { generation })
  })
  let failure: unknown
  Promise.all(running).catch((error) => {
    failure ??= error
  })
  const image = makeImage(Array.from({ length: options.layers }, (_, n) => makeLayer(options.layerBytes, `layer-${n}`)))
  blobs.push(...image.layers.map(({ digest, gzip }) => ({ digest, sizeBytes: gzip.length })).sort(byDigest))
  const target = { registry: flotilla.url('registry'), user: 'admin', secret: adminToken }
  await pushImage(target, 'herd/image', 'latest', image)
  await flotilla.run('promote', 'herd/image:latest', '--to', 'stable')
  const startedMs = performance.now()
  await flotilla.run('publish', '--now')
  const samples: HerdSample[] = []
  try {
    await waitUntil(
      () => {
        const sample = sampleOf(replicas, blobs, performance.now() - startedMs)
        samples.push(sample)
        options.onSample?.(sample)
        return failure !== undefined || sample.whole === replicas.length
      },
      { what: 'every replica is whole', limitMs: options.limitMs, everyMs: options.sampleEveryMs },
    )
    if (failure !== undefined) throw failure
    await Promise.all(running)
  } finally {
    herd.abort()
  }
  return { samples, replicas }
}

/** The networks of the replicas differ, as those of volunteers do. */
async function startReplicas(
  { replicas: count, fates = [] }: HerdOptions,
  flotilla: Flotilla,
  stack: AsyncDisposableStack,
): Promise<HerdReplica[]> {
  const bytes = new Map<string, Uint8Array<ArrayBuffer>>()
  const replicas: HerdReplica[] = []
  for (let n = 0; n < count; n++) {
    const address = `127.${10 + Math.floor(n / 200)}.${n % 200}.1`
    const about = { address, originUrl: flotilla.url('origin'), connections: 4, fate: fates[n], bytes }
    const replica = stack.use(await HerdReplica.start({ name: `host-${n}`, ...about }))
    replicas.push(replica)
    const { name, url } = replica
    // Those with a fate are in the first wave, so that the others come to meet it.
    const bandwidthMbps = fates[n] === undefined ? 1000 : 2000
    await askApi(flotilla, 'POST', '/api/v1/hosts', { name, urls: [url], grade: 'proven', bandwidthMbps })
  }
  return replicas
}

async function latestGeneration(flotilla: Flotilla): Promise<number> {
  const [latest] = await flotilla.runJson<{ generation: number }[]>('generation', 'list')
  return latest?.generation ?? 0
}

function sampleOf(replicas: readonly HerdReplica[], blobs: readonly HerdBlob[], elapsedMs: number): HerdSample {
  const sum = (read: (replica: HerdReplica) => number) => replicas.reduce((total, one) => total + read(one), 0)
  const isWhole = (replica: HerdReplica) => blobs.length > 0 && replica.held.size === blobs.length
  const sends = blobs.map(({ digest }) => sum((replica) => replica.fromOrigin.get(digest) ?? 0))
  return {
    seconds: elapsedMs / 1000,
    whole: replicas.filter(isWhole).length,
    waiting: replicas.filter((replica) => !isWhole(replica) && replica.waiting > 0).length,
    originBytes: sum((replica) => replica.received.origin),
    hostBytes: sum((replica) => replica.received.hosts),
    mostSends: Math.max(0, ...sends),
  }
}

const byDigest = (a: HerdBlob, b: HerdBlob) => (a.digest < b.digest ? -1 : 1)
