// Starts the roles of one process, supporting ones first, and stops them, those that users see first.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { listTreeBlobs } from '#catalogue/tree-blobs.ts'
import type { Config } from '#config/config.ts'
import type { RoleName } from '#flow.ts'
import { lockFolder } from '#kit/folder-lock.ts'
import { type Demo, type DemoSurroundings, publishDemoImage, startDemoHosts } from './demo.ts'
import { openFrontLine } from './front-line.ts'
import { startFrontdoor } from './frontdoor.ts'
import { pullsToCatalogue } from './hand-over-pulls.ts'
import { startHealthListener } from './health-listener.ts'
import { makeMetrics } from './metrics.ts'
import type { Mirror } from './mirror.ts'
import { type OpenFront, openFront } from './open-front.ts'
import { startOrigin } from './origin.ts'
import { readExpiries } from './read-expiries.ts'
import { addressOf, openResources, type Resources } from './resources.ts'
import type { Role } from './role.ts'
import { type Control, startControl } from './start-control.ts'
import { openStrangers, type Strangers } from './strangers.ts'
import { watchCertificate } from './watch-certificate.ts'

export type Running = AsyncDisposable & {
  readonly roles: readonly Role[]
  readonly demo: Demo | undefined
  readonly addresses: Readonly<Record<string, string>>
}

const controlRoles: readonly RoleName[] = ['registry', 'manager', 'worker', 'mirror']
/** In this order they stop: first what takes new work from users, then what carries it out, and what that stands on after it. */
const stopOrder: readonly RoleName[] = ['frontdoor', 'registry', 'manager', 'worker', 'mirror', 'origin']

export async function runRoles(names: readonly RoleName[], config: Config, log: Logger): Promise<Running> {
  const stack = new AsyncDisposableStack()
  // First here, so that it closes last, also after a role that failed to stop: what the roles stand on.
  const ground = stack.use(new AsyncDisposableStack())
  const roles: Role[] = []
  const start = async <R extends Role>(name: RoleName, open: () => Promise<R>): Promise<R | undefined> => {
    if (!names.includes(name)) return undefined
    const role = await open()
    roles.push(role)
    return role
  }
  stack.defer(async () => {
    for (const name of stopOrder) {
      for (const role of roles.filter((one) => one.name === name))
        await role.stop().catch((error) => log.error({ err: error, role: name }, 'a role did not stop as it should'))
    }
  })
  try {
    mkdirSync(config.data, { recursive: true })
    const isControl = names.some((name) => controlRoles.includes(name))
    // Data-plane roles only read, so any number of them may share a folder with one control plane.
    if (isControl) ground.use(await lockFolder(config.data))
    const resources = isControl ? ground.use(await openResources(config, log)) : undefined

    const meetsStrangers = names.some((name) => name === 'origin' || name === 'frontdoor' || name === 'manager')
    const isElsewhere = !isControl && config.urls.mirror !== undefined
    const strangers = meetsStrangers ? await openStrangers(config, isElsewhere) : undefined
    const hasTree = names.includes('origin') || config.settings.tree !== undefined
    const isApart = names.includes('frontdoor') && !names.includes('mirror')
    const line =
      isApart || isElsewhere ? ground.use(await openFrontLine(config, log, { isElsewhere, hasTree })) : undefined
    const origin = await start('origin', () => startOrigin(config, log, strangers!, line?.places))
    const originUrl =
      config.urls.origin ?? (origin ? addressOf(config, 'origin', origin.listeners.origin!.port) : undefined)
    let mirror: Mirror | undefined
    const frontdoor = await start('frontdoor', () =>
      startFrontdoor(config, log, {
        report: line?.report ?? ((evidence) => mirror?.report(evidence)),
        places: line?.places,
        originUrl,
        strangers: strangers!,
        deliverPulls: resources
          ? pullsToCatalogue(resources.catalogue, {
              maxSubjects: config.settings.statisticsNames,
              now: resources.now,
            })
          : line?.deliverPulls,
      }),
    )
    const metrics = makeMetrics({
      front: frontdoor?.front,
      accessLog: frontdoor?.accessLog,
      origin: origin?.counters,
      catalogue: resources?.catalogue,
      expiries: resources && (() => readExpiries(config)),
    })
    const front =
      frontdoor ?? (names.includes('manager') ? stack.use(await openOwnFront(config, log, strangers!)) : undefined)
    const control =
      resources &&
      (await startControl(resources, { start, frontdoor, front, metrics, onMirror: (one) => (mirror = one) }))
    // Its hosts copy from the origin here, and a worker and a mirror here make them known: with less there is nothing to show.
    const isWhole = originUrl !== undefined && control?.worker !== undefined && control.mirror !== undefined
    if (config.settings.demo && !isWhole)
      log.warn('the demonstration is left out: it needs a worker, a mirror and an origin')
    const demo =
      resources && control && isWhole && config.settings.demo
        ? await startDemo(resources, control, {
            originUrl,
            frontDoorUrl: frontdoor && addressOf(config, 'frontdoor', frontdoor.listeners.frontdoor!.port),
          })
        : undefined
    if (demo) stack.use(demo)
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
    return { roles, demo, addresses, [Symbol.asyncDispose]: () => stopping.disposeAsync() }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

/** The screen may wait for the sample image, but not for real hosts that hang under a crawl. */
const settleMs = 10_000

async function startDemo(
  resources: Resources,
  { promote, push, worker, mirror }: Control,
  urls: Pick<DemoSurroundings, 'originUrl' | 'frontDoorUrl'>,
): Promise<Demo> {
  const { catalogue, config } = resources
  const demo = await startDemoHosts(resources, { ...urls, onCopied: async () => await mirror?.checkAll() })
  await publishDemoImage(push, promote, config.publicChannel)
  worker?.nudge()
  await worker?.drain(settleMs)
  const [first] = await listTreeBlobs(catalogue, config.publicChannel, '', 1)
  if (first) await demo.copyNow()
  await mirror?.lookAround()
  await worker?.drain(settleMs)
  return demo
}

/** A manager without a front door beside it still explains decisions and shows what is published. */
function openOwnFront(config: Config, log: Logger, strangers: Strangers): Promise<OpenFront> {
  return openFront(config, log, {
    kept: join(config.data, 'manager'),
    report: () => undefined,
    originUrl: config.urls.origin,
    strangers,
  })
}
