// The front door: three snapshots followed from folders, bytes of the published tree, and nothing of the control plane.

import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from '#config/config.ts'
import { listenWire } from '#http/wire/listen-wire.ts'
import { answerFront } from '#stages/redirect/answer-front.ts'
import type { ReportEvidence } from '#stages/redirect/evidence.ts'
import { type OpenFront, openFront } from './open-front.ts'
import type { Role } from './role.ts'
import { withProbes } from './with-probes.ts'

export type FrontdoorRole = Role & Pick<OpenFront, 'front' | 'followNow'>

export async function startFrontdoor(
  config: Config,
  log: Logger,
  report: ReportEvidence,
  originUrl: string | undefined,
): Promise<FrontdoorRole> {
  const { port } = config.listen.frontdoor
  // Copies of its own: several front doors may share a data folder, and each forgets what it no longer serves.
  const kept = join(config.data, 'frontdoor', String(port))
  return serveFront(config, log, await openFront(config, log, { kept, report, originUrl }))
}

/** The listener of a front door. `whyEmpty` says what is missing while there is nothing to serve. */
export function serveFront(
  config: Config,
  log: Logger,
  opened: OpenFront,
  whyEmpty: () => string = () => 'nothing is published yet',
): FrontdoorRole {
  const { host, port } = config.listen.frontdoor
  const { front, followNow } = opened
  let isStopping = false
  const isPublished = () => front.parts.holder.current.publication !== undefined
  const notReady = () => (isStopping ? 'stopping' : isPublished() ? undefined : whyEmpty())
  const listener = listenWire(
    withProbes((ask) => answerFront(ask, front), notReady),
    {
      host,
      port,
      tls: config.tls,
      log: (error) => log.error({ err: error }, 'a request to the front door failed'),
    },
  )
  return {
    name: 'frontdoor',
    front,
    followNow,
    listeners: { frontdoor: listener },
    notReady,
    async stop() {
      isStopping = true
      await listener.stop(config.settings.drain)
      await opened[Symbol.asyncDispose]()
    },
  }
}
