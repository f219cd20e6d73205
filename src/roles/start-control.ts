// The control plane of one process: mirror, worker, registry and manager over the resources that they share.

import type { RoleName } from '#flow.ts'
import { enqueue } from '#jobs/queue.ts'
import type { PromoteStores } from '#stages/promote/promote-stores.ts'
import type { PushStores } from '#stages/push/push-stores.ts'
import { explainAt } from './explain.ts'
import { ensurePushRobot } from './first-start.ts'
import type { FrontdoorRole } from './frontdoor.ts'
import { startManager } from './manager.ts'
import { type Mirror, startMirror } from './mirror.ts'
import { listCrawlRecords } from './mirror-records.ts'
import type { OpenFront } from './open-front.ts'
import { ownNames } from './own-names.ts'
import { openPages, publicSideOf } from './pages.ts'
import { startRegistry } from './registry.ts'
import { blockCheckMaker, type Resources } from './resources.ts'
import type { Role } from './role.ts'
import { startWorker, type Worker } from './worker.ts'

export type ControlParts = {
  readonly start: <R extends Role>(name: RoleName, open: () => Promise<R>) => Promise<R | undefined>
  /** Where it runs in this process. */
  readonly frontdoor: FrontdoorRole | undefined
  /** What the pages and `explain` look through: that one, or one without a listener. */
  readonly front: Pick<OpenFront, 'front' | 'followNow'> | undefined
  readonly metrics: () => Promise<Response>
  readonly onMirror: (mirror: Mirror) => void
}

export type Control = {
  readonly promote: PromoteStores
  readonly push: PushStores
  readonly worker: Worker | undefined
  readonly mirror: Mirror | undefined
}

export async function startControl(
  resources: Resources,
  { start, frontdoor, front, metrics, onMirror }: ControlParts,
): Promise<Control> {
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
    blockChecks: blockCheckMaker(resources),
    now,
  }
  let worker: Worker | undefined
  const nudge = { snapshots: () => void front?.followNow(), jobs: () => worker?.nudge() }
  const mirror = await start('mirror', () => startMirror(resources, nudge))
  if (mirror) onMirror(mirror)
  worker = await start('worker', () =>
    startWorker(resources, {
      jobs: mirror?.jobs ?? {},
      onPublished: async () => {
        await front?.followNow()
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
        publicSide: publicSideOf(config, front!, frontdoor),
        now,
        nudge: nudge.jobs,
        rotateTokenKeys: () => resources.tokenKeys.rotate(),
        hostPolicy: () => ({
          allowPrivate: settings.allowPrivateHosts || settings.demo,
          isOperator: true,
          channels: settings.publicChannels,
          ownNames: ownNames(config),
        }),
        checkInLimits: { maxPerHour: settings.maxCheckIns },
        describeHost: async (hostId) => ({
          ...mirror?.describeHost(hostId),
          lastCrawl: (await listCrawlRecords(catalogue, hostId, config.publicChannel, 1))[0],
        }),
        hostsChanged: async () => await mirror?.lookAround(),
        explain: (ask) => explainAt(front!.front, ask),
      },
      notReady: () => undefined,
      metrics,
      pages: openPages(),
    }),
  )
  return { promote, push, worker, mirror }
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
