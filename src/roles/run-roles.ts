// Starts the roles of one process, supporting ones first, and stops them, those that users see first.

import { mkdirSync } from 'node:fs'
import type { Logger } from 'pino'
import { listTreeBlobs } from '#catalogue/generations.ts'
import type { Config } from '#config/config.ts'
import type { RoleName } from '#flow.ts'
import { enqueue } from '#jobs/queue.ts'
import { lockFolder } from '#kit/folder-lock.ts'
import { RegistryError } from '#oci/errors.ts'
import type { PromoteStores } from '#stages/promote/promote-stores.ts'
import type { PushStores } from '#stages/push/push-stores.ts'
import { type Demo, type DemoSurroundings, publishDemoImage, startDemoHosts } from './demo.ts'
import { explainAt } from './explain.ts'
import { ensurePushRobot } from './first-start.ts'
import { type FrontdoorRole, startFrontdoor } from './frontdoor.ts'
import { startHealthListener } from './health-listener.ts'
import { startManager } from './manager.ts'
import { makeMetrics } from './metrics.ts'
import { type Mirror, startMirror } from './mirror.ts'
import { listCrawlRecords } from './mirror-records.ts'
import { startOrigin } from './origin.ts'
import { openPages, publicSideOf } from './pages.ts'
import { startRegistry } from './registry.ts'
import { addressOf, openResources, type Resources } from './resources.ts'
import type { Role } from './role.ts'
import { watchCertificate } from './watch-certificate.ts'
import { startWorker, type Worker } from './worker.ts'

export type Running = AsyncDisposable & {
  readonly roles: readonly Role[]
  readonly demo: Demo | undefined
  readonly addresses: Readonly<Record<string, string>>
}

const controlRoles: readonly RoleName[] = ['registry', 'manager', 'worker', 'mirror']
/** In this order they stop: first what takes new work from users, last what carries it out. */
const stopOrder: readonly RoleName[] = ['frontdoor', 'registry', 'manager', 'mirror', 'worker', 'origin']

export async function runRoles(names: readonly RoleName[], config: Config, log: Logger): Promise<Running> {
  const stack = new AsyncDisposableStack()
  const roles: Role[] = []
  const start = async <R extends Role>(name: RoleName, open: () => Promise<R>): Promise<R | undefined> => {
    if (!names.includes(name)) return undefined
    const role = await open()
    roles.push(role)
    return role
  }
  stack.defer(async () => {
    for (const name of stopOrder) for (const role of roles.filter((one) => one.name === name)) await role.stop()
  })
  try {
    mkdirSync(config.data, { recursive: true })
    const isControl = names.some((name) => controlRoles.includes(name))
    // Data-plane roles only read, so any number of them may share a folder with one control plane.
    const lock = isControl ? await lockFolder(config.data) : undefined
    const resources = isControl ? await openResources(config, log) : undefined
    const closing = new AsyncDisposableStack()
    if (lock) closing.use(lock)
    if (resources) closing.use(resources)

    const origin = await start('origin', () => startOrigin(config, log))
    const originUrl =
      config.urls.origin ?? (origin ? addressOf(config, 'origin', origin.listeners.origin!.port) : undefined)
    let mirror: Mirror | undefined
    const frontdoor = await start('frontdoor', () =>
      startFrontdoor(config, log, (evidence) => mirror?.report(evidence), originUrl),
    )
    const control =
      resources && (await startControl(resources, { start, frontdoor, onMirror: (one) => (mirror = one) }))
    const demo =
      resources && control && config.settings.demo
        ? await startDemo(resources, control, {
            originUrl: originUrl!,
            frontDoorUrl: frontdoor && addressOf(config, 'frontdoor', frontdoor.listeners.frontdoor!.port),
          })
        : undefined
    if (demo) stack.use(demo)
    const metrics = makeMetrics({ front: frontdoor?.front, catalogue: resources?.catalogue })
    const health = startHealthListener(config, log, metrics, () =>
      roles.map((role) => role.notReady()).find((reason) => reason !== undefined),
    )
    if (health) stack.defer(() => health.stop(0))
    stack.use(watchCertificate(config.tls, roles, log))

    const addresses: Record<string, string> = {}
    for (const role of roles) {
      for (const [name, { port }] of Object.entries(role.listeners))
        addresses[name] = addressOf(config, name as 'registry', port)
    }
    const stopping = stack.move()
    return {
      roles,
      demo,
      addresses,
      async [Symbol.asyncDispose]() {
        await stopping.disposeAsync()
        await closing.disposeAsync()
      },
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

type ControlParts = {
  readonly start: <R extends Role>(name: RoleName, open: () => Promise<R>) => Promise<R | undefined>
  readonly frontdoor: FrontdoorRole | undefined
  readonly onMirror: (mirror: Mirror) => void
}

type Control = {
  readonly promote: PromoteStores
  readonly push: PushStores
  readonly worker: Worker | undefined
  readonly mirror: Mirror | undefined
}

async function startControl(resources: Resources, { start, frontdoor, onMirror }: ControlParts): Promise<Control> {
  const { config, catalogue, blobs, now } = resources
  const { settings } = config
  await ensurePushRobot(config, catalogue, now())
  await ensureFirstGeneration(resources)
  const promote: PromoteStores = {
    catalogue,
    blobs,
    now,
    channels: settings.channels,
    publicChannels: settings.publicChannels,
    foreignLayerChannels: settings.foreignLayerChannels,
    publishDelayMs: settings.publishDelay,
  }
  const push: PushStores = {
    catalogue,
    blobs,
    channel: config.candidateChannel,
    limits: { maxManifestBytes: settings.maxManifestBytes, maxDescriptors: settings.maxDescriptors },
    now,
  }
  let worker: Worker | undefined
  const nudge = { snapshots: () => void frontdoor?.followNow(), jobs: () => worker?.nudge() }
  const mirror = await start('mirror', () => startMirror(resources, nudge))
  if (mirror) onMirror(mirror)
  worker = await start('worker', () =>
    startWorker(resources, {
      jobs: mirror?.jobs ?? {},
      onPublished: async () => {
        await frontdoor?.followNow()
        await mirror?.lookAround()
      },
    }),
  )
  await start('registry', () => startRegistry(resources))
  await start('manager', () =>
    startManager(resources, {
      stores: {
        catalogue,
        promote,
        candidate: { catalogue, blobs, channel: config.candidateChannel },
        candidateChannel: config.candidateChannel,
        publicChannel: config.publicChannel,
        publicChannels: settings.publicChannels,
        publicSide: publicSideOf(config, frontdoor),
        now,
        nudge: nudge.jobs,
        hostPolicy: () => ({
          allowPrivate: settings.allowPrivateHosts || settings.demo,
          isOperator: true,
          channels: settings.publicChannels,
          ownNames: ownNames(config),
        }),
        describeHost: async (hostId) => ({
          ...mirror?.describeHost(hostId),
          lastCrawl: (await listCrawlRecords(catalogue, hostId, config.publicChannel, 1))[0],
        }),
        hostsChanged: async () => await mirror?.lookAround(),
        explain: (ask) => {
          if (!frontdoor)
            throw new RegistryError('UNAVAILABLE', 'no front door runs in this process: ask the one that does')
          return explainAt(frontdoor.front, ask)
        },
      },
      notReady: () => undefined,
      metrics: makeMetrics({ front: frontdoor?.front, catalogue }),
      pages: openPages(),
    }),
  )
  return { promote, push, worker, mirror }
}

/** Names under which we answer: hosts below them would be handed credentials by Go's clients. Loopback addresses are nobody's domain. */
function ownNames(config: Config): string[] {
  const urls = Object.values(config.urls).filter((url) => url !== undefined)
  return urls.map((url) => new URL(url).hostname).filter((name) => !/^[0-9.]+$|^\[|^localhost$/.test(name))
}

/** Front doors and hosts need something signed to start from, so the first generation is published even when it is empty. */
async function ensureFirstGeneration({ catalogue, config, now }: Resources): Promise<void> {
  for (const channel of config.settings.publicChannels) {
    const row = await catalogue
      .selectFrom('generations')
      .select('number')
      .where('channel', '=', channel)
      .limit(1)
      .executeTakeFirst()
    if (row) continue
    await catalogue.transaction().execute((tx) =>
      enqueue(
        tx,
        {
          kind: 'publish',
          payload: { channel, actor: 'first start' },
          dedupeKey: channel,

          runAtMs: now(),
        },
        now(),
      ),
    )
  }
}

async function startDemo(
  resources: Resources,
  { promote, push, worker, mirror }: Control,
  urls: Pick<DemoSurroundings, 'originUrl' | 'frontDoorUrl'>,
): Promise<Demo> {
  const { catalogue, config } = resources
  const demo = await startDemoHosts(resources, { ...urls, onCopied: async () => await mirror?.checkAll() })
  await publishDemoImage(push, promote, config.publicChannel)
  worker?.nudge()
  await worker?.drain()
  const [first] = await listTreeBlobs(catalogue, config.publicChannel, '', 1)
  if (first) await demo.copyNow()
  await mirror?.lookAround()
  await worker?.drain()
  return demo
}
