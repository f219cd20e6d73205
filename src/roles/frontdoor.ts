// The front door: three snapshots followed from folders, bytes of the published tree, and nothing of the control plane.

import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from '#config/config.ts'
import type { Handler } from '#http/listener.ts'
import type { WireOptions } from '#http/wire/acceptor.ts'
import { listenWire } from '#http/wire/listen-wire.ts'
import { answerFront } from '#stages/redirect/answer-front.ts'
import { type DeliverPulls, pullsToFolder, startPullHandOver } from './hand-over-pulls.ts'
import { type AccessLog, openAccessLog } from './open-access-log.ts'
import { type FrontSurroundings, type OpenFront, openFront } from './open-front.ts'
import type { Role } from './role.ts'
import { readTrustedProxies } from './strangers.ts'
import { withProbes } from './with-probes.ts'

export type FrontdoorRole = Role &
  Pick<OpenFront, 'front' | 'followNow'> & { readonly accessLog: AccessLog | undefined }

export type FrontdoorParts = Omit<FrontSurroundings, 'kept'> & {
  /** Undefined: no catalogue is open in this process, pulls go by files to the one where it is. */
  readonly deliverPulls: DeliverPulls | undefined
}

export async function startFrontdoor(
  config: Config,
  log: Logger,
  { deliverPulls, ...around }: FrontdoorParts,
): Promise<FrontdoorRole> {
  const { port } = config.listen.frontdoor
  // Copies of its own: several front doors may share a data folder, and each forgets what it no longer serves.
  const kept = join(config.data, 'frontdoor', String(port))
  const opened = await openFront(config, log, { ...around, kept })
  const { front, followNow } = opened
  const { now } = front.parts
  const pulls = startPullHandOver(front, {
    channel: config.publicChannel,
    deliver: deliverPulls ?? pullsToFolder(join(kept, 'pulls')),
    now,
    log,
  })
  const closing = {
    async [Symbol.asyncDispose]() {
      await pulls.stop()
      await opened[Symbol.asyncDispose]()
    },
  }
  return await serveFront(config, log, { front, followNow, ...closing })
}

/** The listener of a front door. `whyEmpty` says what is missing while there is nothing to serve. */
export async function serveFront(
  config: Config,
  log: Logger,
  opened: OpenFront,
  whyEmpty: () => string = () => 'nothing is published yet',
): Promise<FrontdoorRole> {
  const { front, followNow } = opened
  let isStopping = false
  const isPublished = () => front.parts.holder.current.publication !== undefined
  const notReady = () => (isStopping ? 'stopping' : isPublished() ? undefined : whyEmpty())
  const accessLog = await openAccessLog(config.settings, log)
  const handler: Handler = (ask) => answerFront(ask, front)
  const listener = listenWire(withProbes(accessLog ? accessLog.around(handler, front) : handler, notReady), {
    ...listenerOptions(config),
    log: (error) => log.error({ err: error }, 'a request to the front door failed'),
  })
  return {
    name: 'frontdoor',
    front,
    followNow,
    accessLog,
    listeners: { frontdoor: listener },
    notReady,
    async stop() {
      isStopping = true
      await listener.stop(config.settings.drain)
      await opened[Symbol.asyncDispose]()
      await accessLog?.[Symbol.asyncDispose]()
    },
  }
}

function listenerOptions(config: Config): Omit<WireOptions, 'log'> {
  const { settings, tls } = config
  return {
    ...config.listen.frontdoor,
    tls,
    isTrustedProxy: readTrustedProxies(config),
    proxyProtocol: settings.frontdoorProxyProtocol,
    limits: {
      maxConnections: settings.frontdoorMaxConnections,
      maxConnectionsPerClient: settings.frontdoorMaxConnectionsPerClient,
      headerTimeoutMs: settings.frontdoorHeaderTimeout,
      idleTimeoutMs: settings.frontdoorIdleTimeout,
      sendStallMs: settings.frontdoorSendStall,
      maxHeadBytes: settings.frontdoorMaxHeadBytes,
    },
  }
}
