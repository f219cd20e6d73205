// A campus of its own: a front door that is a whole registry over a copied tree, and an origin that passes the copy on. No catalogue,
// no keys, no hosts; the data folder holds only what was verified.

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { openBlobFile } from '#blobs/disk/open-blob-file.ts'
import type { Config } from '#config/config.ts'
import type { RoleName } from '#flow.ts'
import { listen } from '#http/serve-bun.ts'
import { makeFolder } from '#kit/atomic-file.ts'
import { noPlaces } from '#snapshots/places.ts'
import type { PublicationIndex } from '#snapshots/publication-index.ts'
import { answerTree } from '#stages/pull/answer-tree.ts'
import { FrontDoor, frontDefaults } from '#stages/redirect/front-door.ts'
import { readGivenRoot } from './first-root.ts'
import { type FollowedCopy, followCopy } from './follow-copy.ts'
import { frontLimits } from './front-limits.ts'
import { serveFront } from './frontdoor.ts'
import { startHealthListener } from './health-listener.ts'
import { makeMetrics } from './metrics.ts'
import { tellsDecision } from './open-access-log.ts'
import { addressOf } from './resources.ts'
import type { Role } from './role.ts'
import { readAddresses } from './strangers.ts'
import { watchCertificate } from './watch-certificate.ts'
import { withProbes } from './with-probes.ts'

export type RunningCopy = AsyncDisposable & {
  readonly roles: readonly Role[]
  readonly addresses: Readonly<Record<string, string>>
  readonly copy: string
  /** What the front door serves at this moment; undefined: nothing, or there is none. */
  readonly served: PublicationIndex | undefined
  /** Why the front door does not serve what lies there. */
  readonly refused: string | undefined
  /** Fingerprint of the root that was trusted at the start, and whether the operator gave it. */
  readonly root: { readonly fingerprint: string; readonly isGiven: boolean } | undefined
  /** Looks for news now. */
  followNow(): Promise<void>
}

/** `copy`: the folder of the tree. */
export async function runCopy(
  names: readonly RoleName[],
  config: Config,
  copy: string,
  log: Logger,
): Promise<RunningCopy> {
  const stack = new AsyncDisposableStack()
  try {
    await makeFolder(config.data)
    const roles: Role[] = []
    let followed: FollowedCopy | undefined
    let front: FrontDoor | undefined
    if (names.includes('origin')) roles.push(passOn(config, copy, log))
    if (names.includes('frontdoor')) {
      followed = await followCopyOf(config, copy, log)
      front = makeFront(config, copy, followed, names.includes('origin') ? undefined : config.urls.origin)
      roles.push(await serveCopy(config, log, { copy, front, followed }))
    }
    for (const role of roles) stack.defer(() => role.stop())
    const metrics = makeMetrics({ front, tree: followed?.watch })
    const health = startHealthListener(config, log, metrics, () =>
      roles.map((role) => role.notReady()).find((reason) => reason !== undefined),
    )
    if (health) stack.defer(() => health.stop(0))
    stack.use(watchCertificate(config.tls, roles, log))
    const listeners = roles.flatMap((role) => Object.entries(role.listeners))
    const addresses = listeners.map(([name, { port }]) => [name, addressOf(config, name as 'origin', port)] as const)
    const stopping = stack.move()
    return {
      roles,
      addresses: Object.fromEntries(addresses),
      copy,
      root:
        followed?.root === undefined
          ? undefined
          : { fingerprint: followed.root, isGiven: config.settings.root !== undefined },
      get served() {
        return followed?.holder.current.publication
      },
      get refused() {
        return followed?.watch.refused?.message
      },
      followNow: async () => await followed?.follower.runNow(),
      [Symbol.asyncDispose]: () => stopping.disposeAsync(),
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

async function followCopyOf(config: Config, copy: string, log: Logger): Promise<FollowedCopy> {
  const { root } = config.settings
  const given = root === undefined ? undefined : await readGivenRoot(root)
  // Of this front door alone, and apart from what one over a tree of our own keeps.
  const kept = join(config.data, 'copy', String(config.listen.frontdoor.port))
  return await followCopy({ copy, kept, root: given, now: Date.now }, log)
}

/** Without hosts: no ticket is ever issued, nothing is ever probed. */
function makeFront(config: Config, copy: string, { holder }: FollowedCopy, originUrl: string | undefined): FrontDoor {
  const { settings, tls, urls } = config
  return new FrontDoor(
    {
      holder,
      places: noPlaces,
      readClientAddress: readAddresses(config),
      ticketKey: randomBytes(32),
      report: () => undefined,
      now: Date.now,
      outbound: { send: () => Promise.reject(new Error('a copied tree has no hosts to ask')) },
      openBlob: (digest, range) => openBlobFile(copy, digest, range),
      random: Math.random,
    },
    {
      ...frontDefaults,
      ...frontLimits(config),
      originUrl: settings.upstreamUrl ?? originUrl,
      tellsDecision: tellsDecision(settings),
      isBehindTls: urls.frontdoor?.startsWith('https:') ?? tls !== undefined,
    },
  )
}

async function serveCopy(
  config: Config,
  log: Logger,
  { copy, front, followed }: { readonly copy: string; readonly front: FrontDoor; readonly followed: FollowedCopy },
): Promise<Role> {
  const { watch, follower } = followed
  const opened = {
    front,
    followNow: () => follower.runNow(),
    [Symbol.asyncDispose]: () => follower.stop(),
  }
  return await serveFront(config, log, opened, () =>
    watch.refused
      ? `the tree in ${copy} is refused: ${watch.refused.message}; ${watch.refused.advice}`
      : `there is no tree in ${copy} yet: flotilla replicate --from <origin> --to ${copy} makes one`,
  )
}

/** For other replicas. Nothing is decided here: what lies in the folder is what they get, and they verify it. */
function passOn(config: Config, copy: string, log: Logger): Role {
  const { host, port } = config.listen.origin
  let isStopping = false
  const notReady = () => (isStopping ? 'stopping' : undefined)
  const listener = listen(withProbes(answerTree({ folder: copy, channelFolders: new Map() }), notReady), {
    host,
    port,
    tls: config.tls,
    stallMs: config.settings.stall,
    maxBodyBytes: 0,
    log: (error) => log.error({ err: error }, 'a request to the origin failed'),
  })
  return {
    name: 'origin',
    listeners: { origin: listener },
    notReady,
    async stop() {
      isStopping = true
      await listener.stop(config.settings.drain)
    },
  }
}
