// The demonstration: a sample image, published, and two volunteer hosts on other loopback addresses that copy the tree as real ones do.

import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '#blobs/hashing.ts'
import { addHost, addSite, findSite, type HostFacts, listHosts, updateHost } from '#catalogue/hosts.ts'
import { findTaggedManifest } from '#catalogue/manifests.ts'
import type { Listener } from '#http/listener.ts'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { listen } from '#http/serve-bun.ts'
import { parseName, parseTag } from '#oci/name.ts'
import { applyPromotion } from '#stages/promote/apply-promotion.ts'
import type { PromoteStores } from '#stages/promote/promote-stores.ts'
import { answerTree } from '#stages/pull/answer-tree.ts'
import { finishUpload } from '#stages/push/finish-upload.ts'
import type { PushStores } from '#stages/push/push-stores.ts'
import { putManifest } from '#stages/push/put-manifest.ts'
import { replicate } from '#stages/replicate/replicate.ts'
import { replicateDefaults } from '#stages/replicate/replicate-options.ts'
import { makeDemoImage } from './demo-image.ts'
import type { Resources } from './resources.ts'
import { every } from './worker.ts'

export type Demo = AsyncDisposable & {
  readonly hosts: readonly { readonly name: string; readonly url: string; readonly folder: string }[]
  /** Copies the tree to both hosts now. */
  copyNow(): Promise<void>
}

export const demoRepository = 'demo/hello'
const addresses = ['127.0.0.2', '127.0.0.3'] as const
const copyEveryMs = 5000
const megabitsPerSecond = 1000
const demoName = (i: number) => `demo-${i + 1}`

/** Pushes and promotes the sample image unless it is there; the publication follows as for any promotion. */
export async function publishDemoImage(push: PushStores, promote: PromoteStores, channel: string): Promise<void> {
  const name = parseName(demoRepository)!
  const tag = parseTag('latest')!
  if (await findTaggedManifest(push.catalogue, name, channel, tag)) return
  const image = await makeDemoImage()
  for (const bytes of image.blobs) {
    const upload = await push.blobs.startUpload({ repository: name, algorithm: 'sha256' })
    await upload.append(
      (async function* () {
        yield bytes
      })(),
    )
    await finishUpload(upload, digestOf(bytes), push)
  }
  await putManifest(
    { name, bytes: image.manifest, contentType: undefined, digest: undefined, tags: [tag], actor: 'demo' },
    push,
  )
  await applyPromotion(
    {
      items: [{ name, reference: { kind: 'tag', tag } }],
      from: push.channel,
      to: channel,
      tags: [],
      reason: 'the sample image of the demonstration',
      actor: 'demo',
      isDryRun: false,
      idempotencyKey: undefined,
    },
    { ...promote, publishDelayMs: 0 },
  )
}

export type DemoSurroundings = {
  readonly originUrl: string
  readonly frontDoorUrl: string | undefined
  /** What a check-in is for real hosts: a reason to look at them now. */
  readonly onCopied: () => Promise<void>
}

export async function startDemoHosts(resources: Resources, around: DemoSurroundings): Promise<Demo> {
  const { originUrl, frontDoorUrl, onCopied } = around
  const { config, log, now } = resources
  const stopping = new AbortController()
  const outbound = new OutboundClient({ allowPrivate: true, userAgent: 'flotilla-replicate' })
  // Each copies from the origin and not from the other one: they show what users meet, with one of them gone as well.
  const avoid = { 'flotilla-avoid': addresses.map((_, i) => demoName(i)).join() }
  const client: Pick<OutboundClient, 'send'> = {
    send: (ask) => outbound.send({ ...ask, headers: { ...ask.headers, ...avoid } }),
  }
  const hosts: { name: string; url: string; folder: string; listener: Listener }[] = []
  for (const [i, address] of addresses.entries()) {
    const name = demoName(i)
    const folder = join(config.data, 'demo', name)
    const listener = listen(answerTree({ folder, channelFolders: new Map(), ...(frontDoorUrl && { frontDoorUrl }) }), {
      host: address,
      port: 0,
      stallMs: config.settings.stall,
      log: (error) => log.error({ err: error }, 'a demonstration host failed'),
    })
    hosts.push({ name, url: `http://${address}:${listener.port}`, folder, listener })
  }
  const copyNow = async () => {
    for (const { name, folder } of hosts) {
      if (stopping.signal.aborted) return
      const { outcome } = await replicate(
        {
          ...replicateDefaults,
          from: [originUrl],
          to: folder,
          name,
          minFreeBytes: 0,
          leastBytes: 1,
          tries: 2,
          pauseMs: 100,
        },
        {
          client,
          hostClient: client,
          now,
          random: Math.random,
          freeBytes: async (path) => {
            const { bavail, bsize } = await statfs(path)
            return bavail * bsize
          },
          onProgress: () => undefined,
          onEvent: () => undefined,
          stop: stopping.signal,
          software: 'flotilla demonstration',
        },
      )
      if (outcome === 'updated') await onCopied()
    }
  }
  await registerHosts(resources, hosts)
  const timer = every(copyEveryMs, log, copyNow)
  return {
    hosts: hosts.map(({ name, url, folder }) => ({ name, url, folder })),
    copyNow,
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      stopping.abort()
      await Promise.all(hosts.map(({ listener }) => listener.stop(0)))
      await outbound[Symbol.asyncDispose]()
    },
  }
}

/** Their ports are free ones and so new at every start; everything else of them stays. */
async function registerHosts(
  { catalogue, config, now }: Resources,
  hosts: readonly { name: string; url: string }[],
): Promise<void> {
  const atMs = now()
  await catalogue.transaction().execute(async (tx) => {
    const site =
      (await findSite(tx, 'demo')) ??
      (await addSite(tx, { name: 'demo', organisationUrl: undefined, isPrivate: false, contact: undefined }, atMs))
    const known = await listHosts(tx)
    for (const { name, url } of hosts) {
      const categories = [{ category: config.publicChannel, urls: [url] }]
      const before = known.find((one) => one.name === name)
      if (before) await updateHost(tx, before.id, { ...before, categories }, atMs)
      else await addHost(tx, site!.id, { ...demoHost, name, categories }, atMs)
    }
  })
}

const demoHost: Omit<HostFacts, 'name' | 'categories'> = {
  country: undefined,
  bandwidthMbps: megabitsPerSecond,
  grade: 'gold',
  isPrivate: false,
  isAdminActive: true,
  isUserActive: true,
  disableReason: undefined,
  asn: undefined,
  isAsnClients: true,
  peerAsns: [],
  netblocks: [],
  allowedCountries: [],
  ticket: 'query',
  contact: undefined,
}
