// A front door's line to the mirror role of another process or machine: snapshots from there, evidence and counts to there.

import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import type { Logger } from 'pino'
import type { Config } from '#config/config.ts'
import { discard } from '#http/outbound/body-stream.ts'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { encodeEvidence } from '#snapshots/evidence-report.ts'
import { encodePullReport } from '#snapshots/pull-report.ts'
import type { SnapshotSource } from '#snapshots/snapshot-source.ts'
import { frontDoorHeader } from '#stages/mirror/answer-front-doors.ts'
import type { ReportEvidence } from '#stages/redirect/evidence.ts'
import { EvidenceOutbox } from './evidence-outbox.ts'
import type { DeliverPulls } from './hand-over-pulls.ts'
import { SourceFailed, webSource } from './web-source.ts'

export type MirrorLink = AsyncDisposable & {
  snapshotsAt(url: string): SnapshotSource
  readonly report: ReportEvidence
  readonly deliverPulls: DeliverPulls
}

export type MirrorAddress = {
  /** Asked before each report: it may have moved. Undefined: nowhere now. */
  readonly findUrl: () => Promise<string | undefined>
  readonly key: string
  /** Of the front door, which tells it from others on its machine. */
  readonly port: number
}

const reportMs = 5_000

/** Addresses that an operator typed: private ones are theirs. */
export async function ownMachinesClient({ settings }: Config): Promise<OutboundClient> {
  const ca = settings.hostCa === undefined ? undefined : await readFile(settings.hostCa, 'utf8')
  return new OutboundClient({ allowPrivate: true, userAgent: 'flotilla', ca })
}

export async function openMirrorLink(
  config: Config,
  log: Logger,
  { findUrl, key, port }: MirrorAddress,
): Promise<MirrorLink> {
  const client = await ownMachinesClient(config)
  const headers = {
    authorization: `Bearer ${key}`,
    [frontDoorHeader]: `${
      hostname()
        .replaceAll(/[^A-Za-z0-9._-]/g, '-')
        .slice(0, 80) || 'frontdoor'
    }:${port}`,
  }
  const post = async (path: string, contentType: string, body: string) => {
    const url = await findUrl()
    if (url === undefined) throw new SourceFailed('the mirror role of this data folder has no listener')
    const answer = await client.send({
      url: `${url}/${path}`,
      method: 'POST',
      headers: { ...headers, 'content-type': contentType },
      body,
      totalMs: reportMs,
      idleMs: reportMs,
      maxBodyBytes: 65_536,
    })
    await discard(answer.body)
    if (answer.status === 400 || answer.status === 413) {
      // The same once more would meet the same answer.
      log.error(
        { url: `${url}/${path}`, status: answer.status },
        'the mirror role does not understand a report of this front door',
      )
      return
    }
    if (answer.status !== 204) throw new SourceFailed(`${url}/${path} answered ${answer.status}`)
  }
  const outbox = new EvidenceOutbox({
    send: (evidence) => post('evidence', 'application/json', encodeEvidence(evidence, Date.now())),
    now: Date.now,
    log,
  })
  return {
    snapshotsAt: (url) => webSource({ client, url: `${url}/snapshots`, headers }),
    report: (evidence) => outbox.add(evidence),
    deliverPulls: (report) => post('pulls', 'text/plain', encodePullReport(report)),
    async [Symbol.asyncDispose]() {
      await outbox.stop()
      await client[Symbol.asyncDispose]()
    },
  }
}
