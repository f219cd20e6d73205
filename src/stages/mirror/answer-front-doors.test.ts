// What front doors may ask of the mirror role, on a real listener with real files.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { chmod, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hashSecret } from '#access/secrets.ts'
import type { Listener } from '#http/listener.ts'
import { listen } from '#http/serve-bun.ts'
import { makeDigest } from '#oci/digest.ts'
import { encodeEvidence, maxEvidenceReportBytes, type ReportedEvidence } from '#snapshots/evidence-report.ts'
import { encodePullReport, type PullReport } from '#snapshots/pull-report.ts'
import { mustRun } from '../../../test/kit/process.ts'
import { answerFrontDoors, frontDoorHeader, maxReportBytes } from './answer-front-doors.ts'
import { ReportPace } from './report-pace.ts'

const key = 'flt_0123456789abcdef'
const digest = makeDigest('sha256', 'ab'.repeat(32))
const day = 20_500
const nowMs = day * 86_400_000 + 5
const evidence: ReportedEvidence[] = [{ kind: 'resume', hostId: 7, digest, prefixKey: 9, atMs: nowMs }]
const pulls: PullReport = {
  channel: 'stable',
  source: 'ab'.repeat(16),
  sequence: 1,
  atMs: nowMs,
  counts: new Map([[digest, 3]]),
  statistics: [],
}

type Body = string | Uint8Array<ArrayBuffer>

let folder: string
let listener: Listener
let url: string
let takenEvidence: ReportedEvidence[]
let takenPulls: PullReport[]
const failures: unknown[] = []
let senders = 0

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'feed-'))
  await mkdir(join(folder, 'snapshots/stable'), { recursive: true })
  await writeFile(join(folder, 'secret'), 'secret')
  await writeFile(join(folder, 'snapshots/health.json'), '{"version":1}')
  await writeFile(join(folder, 'snapshots/stable/blocks-1.bin'), Buffer.alloc(700_000, 7))
  await writeFile(join(folder, 'snapshots/.health.json.tmp'), 'half')
  await symlink(join(folder, 'secret'), join(folder, 'snapshots/link'))
  await symlink(folder, join(folder, 'snapshots/up'))
  await mustRun('mkfifo', [join(folder, 'snapshots/pipe')])
  listener = listen(
    answerFrontDoors({
      folder: join(folder, 'snapshots'),
      keyHash: hashSecret(key),
      pace: new ReportPace({ burst: 4, perSecond: 1, maxSenders: 1000 }),
      now: () => nowMs,
      takeEvidence: (more) => takenEvidence.push(...more),
      channels: ['stable'],
      takePulls: async (report) => void takenPulls.push(report),
    }),
    { host: '127.0.0.1', port: 0, stallMs: 5_000, maxBodyBytes: maxReportBytes, log: (error) => failures.push(error) },
  )
  url = `http://127.0.0.1:${listener.port}`
})
beforeEach(() => {
  takenEvidence = []
  takenPulls = []
})
afterAll(async () => {
  await listener.stop(0)
  await rm(folder, { recursive: true })
  expect(failures).toEqual([])
})

const authorization = `Bearer ${key}`
const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(`${url}${path}`, { headers: { authorization, ...headers } })
/** Each from a front door of its own, so that the pace of one test is not another's. */
const post = (path: string, body: Body, headers: Record<string, string> = {}) =>
  fetch(`${url}${path}`, {
    method: 'POST',
    body,
    headers: { authorization, [frontDoorHeader]: `door${senders++}`, ...headers },
  })

describe('snapshots', () => {
  test('are read with a tag, and again only when they are others', async () => {
    const first = await get('/snapshots/health.json')
    expect([first.status, await first.text()]).toEqual([200, '{"version":1}'])
    const etag = first.headers.get('etag')!
    const known = await get('/snapshots/health.json', { 'if-none-match': etag })
    expect([known.status, await known.text()]).toEqual([304, ''])
    await writeFile(join(folder, 'snapshots/.next'), '{"version":2}')
    await rename(join(folder, 'snapshots/.next'), join(folder, 'snapshots/health.json'))
    const second = await get('/snapshots/health.json', { 'if-none-match': etag })
    expect([second.status, await second.text()]).toEqual([200, '{"version":2}'])
  })

  test('may be files of any kind and size', async () => {
    const answer = await get('/snapshots/stable/blocks-1.bin')
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(Buffer.alloc(700_000, 7))
    const head = await fetch(`${url}/snapshots/stable/blocks-1.bin`, { method: 'HEAD', headers: { authorization } })
    expect(head.headers.get('content-length')).toBe('700000')
  })

  test.each([
    '/snapshots/nothing.json',
    '/snapshots/stable',
    '/snapshots/',
    '/snapshots/.health.json.tmp',
    '/snapshots/link',
    '/snapshots/up/secret',
    '/snapshots/pipe',
    '/snapshots/a/b/c/d/e',
    '/snapshots/health.json/more',
    '/snapshots/stable//blocks-1.bin',
    '/secret',
    '/',
  ])('%s is nothing', async (path) => {
    expect((await get(path)).status).toBe(404)
  })

  test.each([
    '/snapshots/../secret',
    '/snapshots/%2e%2e/secret',
    '/snapshots/..%2fsecret',
    '/snapshots/stable/../../secret',
    '/snapshots\\..\\secret',
  ])('as bytes on the wire %s leads nowhere', async (path) => {
    const said = await new Promise<string>((resolve, reject) => {
      const socket = connect(listener.port, '127.0.0.1', () =>
        socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`),
      )
      let text = ''
      socket
        .on('data', (bytes) => (text += bytes))
        .on('end', () => resolve(text))
        .on('error', reject)
    })
    expect(said).toStartWith('HTTP/1.1 404')
    expect(said).not.toContain('\r\n\r\nsecret')
  })

  test('are only read', async () => {
    expect((await post('/snapshots/health.json', 'x')).status).toBe(405)
  })
})

describe('without the key', () => {
  test.each<[string, Record<string, string>]>([
    ['none', {}],
    ['another', { authorization: 'Bearer flt_0123456789abcdee' }],
    ['a part of it', { authorization: `Bearer ${key.slice(0, -1)}` }],
    ['another scheme', { authorization: `Basic ${btoa(`x:${key}`)}` }],
    ['an endless one', { authorization: `Bearer ${'a'.repeat(5000)}` }],
  ])('%s: nothing is told and nothing taken', async (_, headers) => {
    for (const path of ['/snapshots/health.json', '/snapshots/nothing', '/elsewhere'])
      expect((await fetch(`${url}${path}`, { headers })).status).toBe(401)
    for (const path of ['/evidence', '/pulls']) {
      const answer = await fetch(`${url}${path}`, {
        method: 'POST',
        body: encodeEvidence(evidence, nowMs),
        headers: { [frontDoorHeader]: 'door', ...headers },
      })
      expect(answer.status).toBe(401)
    }
    expect([takenEvidence, takenPulls]).toEqual([[], []])
  })
})

describe('reports', () => {
  test('of evidence and of pulls are taken', async () => {
    expect((await post('/evidence', encodeEvidence(evidence, nowMs))).status).toBe(204)
    expect((await post('/pulls', encodePullReport(pulls))).status).toBe(204)
    expect(takenEvidence).toEqual(evidence)
    expect(takenPulls).toEqual([pulls])
  })

  test.each<[string, string, Body, number, RegExp]>([
    ['no evidence', '/evidence', 'hello', 400, /no JSON/],
    ['no body', '/evidence', '', 400, /no JSON/],
    ['bytes that are no text', '/evidence', new Uint8Array([0x7b, 0xff, 0xfe]), 413, /UTF-8/],
    ['one wrong field', '/evidence', '{"format":1,"evidence":[{"kind":"resume","hostId":-1}]}', 400, /evidence\.0\./],
    ['no pulls', '/pulls', 'hello', 400, /cut short/],
    [
      'pulls of a channel that is not public',
      '/pulls',
      encodePullReport({ ...pulls, channel: 'candidate' }),
      400,
      /not published/,
    ],
    ['more than evidence can be', '/evidence', 'x'.repeat(maxEvidenceReportBytes + 1), 413, /at most/],
  ])('with %s are refused whole, with the reason', async (_, path, body, status, reason) => {
    const answer = await post(path, body)
    expect([answer.status, await answer.text()]).toEqual([status, expect.stringMatching(reason) as never])
    expect([takenEvidence, takenPulls]).toEqual([[], []])
  })

  test('larger than any report are not even read', async () => {
    const answer = await post('/pulls', new Uint8Array(maxReportBytes + 1)).catch((error) => error as Error)
    expect(answer instanceof Error || answer.status === 413).toBe(true)
    expect((await get('/snapshots/health.json')).status).toBe(200)
  })

  test.each([{ [frontDoorHeader]: '' }, { [frontDoorHeader]: 'a b' }, { [frontDoorHeader]: 'a'.repeat(101) }])(
    'of nobody by name are refused: %p',
    async (headers) => {
      expect((await post('/evidence', encodeEvidence(evidence, nowMs), headers)).status).toBe(400)
    },
  )

  test('that come too often from one front door are not taken, and others are', async () => {
    const sent = Array.from({ length: 20 }, () =>
      post('/evidence', encodeEvidence(evidence, nowMs), { [frontDoorHeader]: 'eager' }),
    )
    const statuses = (await Promise.all(sent)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 204).length).toBe(4)
    expect(statuses.filter((status) => status === 429).length).toBe(16)
    expect(takenEvidence.length).toBe(4)
    expect((await post('/evidence', encodeEvidence(evidence, nowMs))).status).toBe(204)
  })

  test('are posted', async () => {
    expect((await get('/evidence')).status).toBe(405)
  })

  test('that could not be kept are a trouble of ours, and told as one', async () => {
    await chmod(folder, 0o700)
    const broken = listen(
      answerFrontDoors({
        folder,
        keyHash: hashSecret(key),
        pace: new ReportPace({ burst: 4, perSecond: 1, maxSenders: 10 }),
        now: () => nowMs,
        takeEvidence: () => undefined,
        channels: ['stable'],
        takePulls: () => Promise.reject(new Error('the catalogue is away')),
      }),
      { host: '127.0.0.1', port: 0, stallMs: 5_000, log: () => undefined },
    )
    const answer = await fetch(`http://127.0.0.1:${broken.port}/pulls`, {
      method: 'POST',
      body: encodePullReport(pulls),
      headers: { authorization, [frontDoorHeader]: 'door' },
    })
    expect([answer.status, await answer.text()]).toEqual([
      500,
      expect.not.stringContaining('catalogue is away') as never,
    ])
    await broken.stop(0)
  })
})
