// A front door's line to a real listener of the mirror role, plain and with TLS.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { type Config, makeConfig } from '#config/config.ts'
import { loadSettings } from '#config/load-config.ts'
import type { Listener } from '#http/listener.ts'
import { makeDigest } from '#oci/digest.ts'
import type { ReportedEvidence } from '#snapshots/evidence-report.ts'
import type { PullReport } from '#snapshots/pull-report.ts'
import { makeAuthority } from '../../test/kit/certificate-authority.ts'
import { waitUntil } from '../../test/kit/wait-until.ts'
import { openFrontDoorKey } from './front-door-key.ts'
import { openMirrorLink } from './mirror-link.ts'
import { startMirrorListener } from './mirror-listener.ts'

const log = pino({ level: 'silent' })
const digest = makeDigest('sha256', 'ab'.repeat(32))
const resume = { kind: 'resume', hostId: 7, digest, prefixKey: 9, atMs: Date.now() } as const
const pulls: PullReport = {
  channel: 'stable',
  source: 'ab'.repeat(16),
  sequence: 1,
  atMs: 1_800_000_000_000,
  counts: new Map([[digest, 3]]),
  statistics: [],
}

let folder: string
let evidence: ReportedEvidence[]
let taken: PullReport[]
const listeners: Listener[] = []
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mirror-link-'))
  await mkdir(join(folder, 'snapshots'))
  await writeFile(join(folder, 'snapshots/health.json'), '{"version":1}')
})
beforeEach(() => {
  evidence = []
  taken = []
})
afterAll(async () => {
  for (const listener of listeners) await listener.stop(0)
  await rm(folder, { recursive: true })
})

const configOf = (flags: Parameters<typeof loadSettings>[0]['flags']) =>
  makeConfig(loadSettings({ flags: { data: folder, ...flags }, environment: {}, folder }).settings)

async function listenerOf(config: Config): Promise<number> {
  const listener = (await startMirrorListener(config, log, {
    folder: join(folder, 'snapshots'),
    takeEvidence: (more) => void evidence.push(...more),
    takePulls: async (report) => void taken.push(report),
  }))!
  listeners.push(listener)
  return listener.port
}
const linkTo = async (config: Config, url: string | undefined, key?: string) =>
  openMirrorLink(config, log, {
    findUrl: async () => url,
    key: key ?? (await openFrontDoorKey(config)),
    port: 5001,
  })

describe('a line', () => {
  test('carries snapshots one way, and evidence and pulls the other', async () => {
    const config = configOf({ mirrorListen: '127.0.0.1:0' })
    const url = `http://127.0.0.1:${await listenerOf(config)}`
    await using link = await linkTo(config, url)
    const read = await link.snapshotsAt(url).read('health.json', undefined)
    expect(Buffer.from(read!.bytes).toString()).toBe('{"version":1}')
    expect(await link.snapshotsAt(url).read('health.json', read!.etag)).toBeUndefined()
    link.report(resume)
    await waitUntil(() => evidence.length === 1, { what: 'the strike arrives' })
    expect(evidence).toMatchObject([{ kind: 'resume', hostId: 7, prefixKey: 9 }])
    await link.deliverPulls(pulls)
    expect(taken).toEqual([pulls])
  })

  test('with TLS needs the authority that signed for the mirror role', async () => {
    const { cert, key, bundle } = await makeAuthority(join(folder, 'tls'))
    const home = configOf({ mirrorListen: '0.0.0.0:0', tlsCert: cert, tlsKey: key })
    const url = `https://127.0.0.1:${await listenerOf(home)}`
    await using trusting = await linkTo(configOf({ hostCa: bundle }), url)
    await trusting.deliverPulls(pulls)
    expect(taken.length).toBe(1)
    await using doubting = await linkTo(configOf({}), url)
    await expect(doubting.deliverPulls(pulls)).rejects.toThrow(/certificate/i)
    await expect(doubting.snapshotsAt(url).read('health.json', undefined)).rejects.toThrow(/certificate/i)
    expect(taken.length).toBe(1)
  })

  test('with another key, or to nowhere, delivers nothing and says so', async () => {
    const config = configOf({ mirrorListen: '127.0.0.1:0' })
    const url = `http://127.0.0.1:${await listenerOf(config)}`
    await using stranger = await linkTo(config, url, 'flt_another_key_of_somebody')
    await expect(stranger.deliverPulls(pulls)).rejects.toThrow(/answered 401/)
    await expect(stranger.snapshotsAt(url).read('health.json', undefined)).rejects.toThrow(/frontdoor-key/)
    await using lost = await linkTo(config, undefined)
    await expect(lost.deliverPulls(pulls)).rejects.toThrow(/has no listener/)
    expect(taken).toEqual([])
  })

  test('drops what the mirror role does not understand: sent again it would block what comes after', async () => {
    const config = configOf({ mirrorListen: '127.0.0.1:0' })
    const url = `http://127.0.0.1:${await listenerOf(config)}`
    await using link = await linkTo(config, url)
    await link.deliverPulls({ ...pulls, channel: 'candidate' })
    link.report({ ...resume, hostId: -1 })
    await link.deliverPulls(pulls)
    expect(taken).toEqual([pulls])
  })
})
