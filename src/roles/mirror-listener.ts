// The private listener of the mirror role: its snapshots for front doors of other processes and machines, and their reports.

import { createServer } from 'node:net'
import type { Logger } from 'pino'
import { hashSecret } from '#access/secrets.ts'
import { type Config, isLoopbackHost } from '#config/config.ts'
import type { Listener } from '#http/listener.ts'
import { listen } from '#http/serve-bun.ts'
import { answerFrontDoors, type FrontDoorFeed, maxReportBytes } from '#stages/mirror/answer-front-doors.ts'
import { ReportPace, reportPaceDefaults } from '#stages/mirror/report-pace.ts'
import { openFrontDoorKey } from './front-door-key.ts'
import { withProbes } from './with-probes.ts'

export type MirrorListenerParts = Pick<FrontDoorFeed, 'folder' | 'takeEvidence' | 'takePulls'>

/** Undefined where nobody chose an address and another program has the default one: who needs it says where it is to be. */
export async function startMirrorListener(
  config: Config,
  log: Logger,
  parts: MirrorListenerParts,
): Promise<Listener | undefined> {
  const { host, port } = config.listen.mirror
  const key = await openFrontDoorKey(config)
  if (config.settings.mirrorListen === undefined && !(await isFree(host, port))) {
    log.warn(
      `another program listens on ${host}:${port}: front doors of other processes cannot reach this mirror role; mirror-listen chooses another address`,
    )
    return undefined
  }
  const tls = mirrorTls(config)
  if (!tls && !isLoopbackHost(host))
    log.warn(
      `mirror-listen is ${host} and speaks plain http: whoever listens in on that network learns frontdoor-key; set tls-cert`,
    )
  const feed = {
    ...parts,
    keyHash: hashSecret(key),
    pace: new ReportPace(reportPaceDefaults),
    now: Date.now,
    channels: config.settings.publicChannels,
  }
  return listen(
    withProbes(answerFrontDoors(feed), () => undefined),
    {
      host,
      port,
      tls,
      stallMs: config.settings.stall,
      maxBodyBytes: maxReportBytes,
      log: (error) => log.error({ err: error }, 'a request of a front door failed'),
    },
  )
}

/** A certificate names no loopback address, and nobody listens in there. */
function mirrorTls({ tls, listen: { mirror } }: Config): Config['tls'] {
  return isLoopbackHost(mirror.host) ? undefined : tls
}

/** Where the mirror role of this machine listens, as far as the options tell. */
export function localMirrorUrl(config: Config): string | undefined {
  const { host, port } = config.listen.mirror
  if (port === 0) return undefined
  const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `${mirrorTls(config) ? 'https' : 'http'}://${name.includes(':') ? `[${name}]` : name}:${port}`
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.on('error', () => resolve(false))
    server.listen(port, host, () => server.close(() => resolve(true)))
  })
}
