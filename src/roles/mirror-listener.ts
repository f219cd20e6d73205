// The private listener of the mirror role: its snapshots for front doors of other processes and machines, and their reports.

import { rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { hashSecret } from '#access/secrets.ts'
import { type Config, isLoopbackHost } from '#config/config.ts'
import type { Listener } from '#http/listener.ts'
import { listen } from '#http/serve-bun.ts'
import { writeFileAtomically } from '#kit/atomic-file.ts'
import { findFileBytes } from '#kit/find-file-bytes.ts'
import { answerFrontDoors, type FrontDoorFeed, maxReportBytes } from '#stages/mirror/answer-front-doors.ts'
import { ReportPace, reportPaceDefaults } from '#stages/mirror/report-pace.ts'
import { openFrontDoorKey } from './front-door-key.ts'
import { withProbes } from './with-probes.ts'

export type MirrorListenerParts = Pick<FrontDoorFeed, 'folder' | 'takeEvidence' | 'takePulls'>

/** In the data folder: where front doors that share it find the listener, whichever port it has. */
const addressPath = ({ data }: Config) => join(data, 'mirror-listener')

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
    await rm(addressPath(config), { force: true })
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
  const listener = listen(
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
  await writeFileAtomically(addressPath(config), `${addressHere(config, listener.port)}\n`)
  return listener
}

/** A certificate names no loopback address, and nobody listens in there. */
function mirrorTls({ tls, listen: { mirror } }: Config): Config['tls'] {
  return isLoopbackHost(mirror.host) ? undefined : tls
}

function addressHere(config: Config, port: number): string {
  const { host } = config.listen.mirror
  const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `${mirrorTls(config) ? 'https' : 'http'}://${name.includes(':') ? `[${name}]` : name}:${port}`
}

/** Where the mirror role of this data folder listens, or did; undefined: nowhere. */
export async function findMirrorListener(config: Config): Promise<string | undefined> {
  return (await findFileBytes(addressPath(config)))?.toString().trim()
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.on('error', () => resolve(false))
    server.listen(port, host, () => server.close(() => resolve(true)))
  })
}
