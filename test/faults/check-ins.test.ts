// Hosts on real web servers that check in by their trace: honestly, too early, with lies, with other people's tokens, with old
// traces, with clocks that are wrong. Whatever they say, who is sent where follows from the crawl's own proofs.

import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { formatGrant, parseGrant } from '#access/grants.ts'
import { hashSecret, makeSecret } from '#access/secrets.ts'
import { listCheckIns } from '#catalogue/check-ins.ts'
import { listEvents, sequenceEvents } from '#catalogue/events.ts'
import { addGeneration, addTreeBlobs, markPublished } from '#catalogue/generations.ts'
import { addHost, addSite, listHosts } from '#catalogue/hosts.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { addToken, revokeToken } from '#catalogue/tokens.ts'
import type { Digest } from '#oci/digest.ts'
import { fleetRecords, hostRecords, treeRecords } from '#roles/mirror-records.ts'
import { maxTraceBytes, type Trace } from '#snapshots/trace.ts'
import { buildPlacement } from '#stages/mirror/build-placement.ts'
import { crawlAndDecide } from '#stages/mirror/decide-check-ins.ts'
import { takeClaim } from '#stages/mirror/take-claim.ts'
import { signTrace } from '#stages/replicate/write-trace.ts'
import { describeWith } from '../kit/need-tool.ts'
import type { WebHost } from '../kit/web-hosts.ts'
import { Fleet, hostRecord, seeded } from './fleet.ts'

const nowMs = 1_764_000_000_000
const minute = 60_000
const crawl = {
  concurrency: 4,
  maxRequests: 10_000,
  maxSampledBytes: 100_000_000,
  maxMs: 60_000,
  maxRechecks: 1,
  spotChecks: 2,
  saveEveryMs: 0,
  blocksPerBlob: 2,
  blockBytes: 256,
  idleMs: 5_000,
  totalMs: 10_000,
}
const checkIns = { maxPerHour: 6, maxSkewMs: 10 * minute, maxOpenMs: 360 * minute, maxRechecks: 1000 }
const names = ['honest.test', 'other.test']
const secrets: Readonly<Record<string, string>> = {
  'honest.test': makeSecret(),
  'other.test': makeSecret(),
  operator: makeSecret(),
  reader: makeSecret(),
  revoked: makeSecret(),
  expired: makeSecret(),
}

let fleet: Fleet
let host: WebHost
let client: ReturnType<Fleet['client']>

describeWith('check-ins of real servers', ['nginx'])('check-ins', () => {
  let db: Catalogue

  beforeAll(async () => {
    fleet = await Fleet.open()
    await fleet.publish(1, 3)
    await fleet.publish(2, 3)
    host = await fleet.addHost('host')
    client = fleet.client()
  })
  afterAll(() => fleet[Symbol.asyncDispose]())

  beforeEach(async () => {
    await db?.destroy()
    db = await openSqlite(':memory:')
    fleet.copyTo(host.tree, fleet.blobs)
    rmSync(join(host.tree, 'trace'), { recursive: true, force: true })
    await db.transaction().execute(async (tx) => {
      const about = { organisationUrl: undefined, isPrivate: false, contact: undefined }
      const site = (await addSite(tx, { name: 'university', ...about }, 1))!
      for (const [i, name] of names.entries()) {
        const { id, site: _, ...facts } = hostRecord(i === 0 ? host.url : 'https://elsewhere.test')
        await addHost(tx, site.id, { ...facts, name }, 1)
      }
      await addTreeBlobs(tx, 'stable', fleet.blobs as { digest: Digest; sizeBytes: number; generation: number }[])
      for (const number of [1, 2]) {
        await addGeneration(tx, { channel: 'stable', number, createdAtMs: 1, actor: 'test', summary: {} })
        await markPublished(tx, 'stable', number, {}, 1)
      }
    })
    const grants = { operator: 'api:check-in', reader: 'api:read', 'other.test': 'api:check-in:other.test' }
    for (const [name, secret] of Object.entries(secrets)) {
      const grant = formatGrant(parseGrant(grants[name as keyof typeof grants] ?? 'api:check-in:honest.test'))
      const expiresAtMs = name === 'expired' ? nowMs : undefined
      const about = { name, secretHash: hashSecret(secret), createdBy: 'test', createdAtMs: 1, expiresAtMs }
      await addToken(db, { ...about, grants: [grant] })
    }
    await revokeToken(db, 'revoked', 2)
  })
  afterAll(() => db?.destroy())

  const said = (more: Partial<Trace> = {}): Trace => ({
    format: 1,
    host: 'honest.test',
    channel: 'stable',
    generation: 2,
    finishedAt: new Date(nowMs - minute).toISOString(),
    software: 'test/1',
    ...more,
  })
  const sign = (trace: Trace, token = 'honest.test') => signTrace(trace, { name: token, secret: secrets[token]! })
  function put(trace: unknown): void {
    mkdirSync(join(host.tree, 'trace'), { recursive: true })
    chmodSync(join(host.tree, 'trace'), 0o755)
    writeFileSync(join(host.tree, 'trace/honest.test'), typeof trace === 'string' ? trace : JSON.stringify(trace))
  }
  async function look(atMs = nowMs, more: Partial<typeof checkIns> = {}) {
    const [record] = await listHosts(db)
    const tools = {
      client,
      blobs: fleet.origin,
      catalogue: db,
      records: hostRecords(db, () => atMs),
      tree: treeRecords(db),
      random: seeded(7),
      now: () => atMs,
    }
    const task = { host: record!, channel: 'stable', generation: 2 }
    return await crawlAndDecide(task, tools, { crawl, checkIns: { ...checkIns, ...more } })
  }
  const rows = async () => await listCheckIns(db, (await listHosts(db))[0]!.id, 'stable', { limit: 100 })
  async function placed() {
    const records = fleetRecords(db)
    const [hosts, presence, lastCrawls] = await Promise.all([
      records.listHosts(),
      records.listPresence('stable'),
      records.listLastCrawls('stable'),
    ])
    return buildPlacement('stable', { hosts, presence, lastCrawls, liveness: new Map() }, undefined, 1).hosts
  }
  async function events() {
    await sequenceEvents(db)
    return (await listEvents(db, 0, 100)).filter((one) => one.type.startsWith('host.check-in.'))
  }
  const claim = async (generation: number) => {
    const [one] = await listHosts(db)
    const about = {
      channel: 'stable',
      source: 'api',
      isPartial: false,
      finishedAtMs: undefined,
      software: undefined,
    } as const
    return await db
      .transaction()
      .execute((tx) => takeClaim(tx, { hostId: one!.id, generation, ...about }, checkIns, nowMs))
  }

  test('a signed trace of a whole copy is a check-in, accepted by the same crawl', async () => {
    put(sign(said()))
    expect((await look()).trace).toMatchObject({ state: 'signed', generation: 2, reason: 'it is a new check-in' })
    expect(await rows()).toMatchObject([
      { source: 'trace', generation: 2, state: 'accepted', provenGeneration: 2, finishedAtMs: nowMs - minute },
    ])
    expect(await events()).toMatchObject([
      { type: 'host.check-in.accepted', subject: 'honest.test', data: { generation: 2, source: 'trace' } },
    ])
    // It is read again with every crawl, and says nothing new.
    expect((await look()).trace).toMatchObject({ state: 'signed', reason: 'it was seen before' })
    put(sign(said({ finishedAt: new Date(nowMs).toISOString() })))
    expect((await look()).trace).toMatchObject({ reason: 'it says the same as the last check-in' })
    expect(await rows()).toHaveLength(1)
    expect(await events()).toHaveLength(1)
  })

  test('a token of the operator, which is for every host, signs as well', async () => {
    put(sign(said(), 'operator'))
    expect((await look()).trace).toMatchObject({ state: 'signed' })
    expect(await rows()).toMatchObject([{ state: 'accepted' }])
  })

  test('a signed lie is refused with the evidence, changes no placement, and may be made good', async () => {
    const [, gone] = fleet.blobs
    await look()
    rmSync(fleet.fileOf(host.tree, gone!))
    put(said({ generation: 1 }))
    await db.deleteFrom('host_presence').execute()
    await look()
    const before = await placed()
    put(sign(said()))
    const record = await look()
    expect(record).toMatchObject({ outcome: 'complete', lacking: 1, trace: { state: 'signed' } })
    const [refused] = await rows()
    expect(refused).toMatchObject({ generation: 2, state: 'refused', provenGeneration: 0 })
    expect(refused!.reason).toMatch(/^lacking: 1 blob up to generation 2; .* came status 404/)
    expect(JSON.parse(refused!.evidence!)).toMatchObject([{ url: expect.stringContaining(gone!.digest.slice(7)) }])
    expect(await events()).toMatchObject([
      { type: 'host.check-in.refused', data: { generation: 2, provenGeneration: 0, faults: [{ came: 'status 404' }] } },
    ])
    expect(await placed()).toEqual(before)
    expect(before[0]).toMatchObject({ generation: 2, missing: [gone!.digest] })

    fleet.copyTo(host.tree, [gone!])
    put(sign(said({ finishedAt: new Date(nowMs).toISOString() })))
    await look(nowMs + minute)
    expect((await rows()).map((one) => one.state)).toEqual(['accepted', 'refused'])
    expect((await placed())[0]).toMatchObject({ generation: 2, missing: [] })
  })

  test('a claim before any proof places nobody', async () => {
    const before = await placed()
    await claim(2)
    expect(await placed()).toEqual(before)
    expect(before[0]).toMatchObject({ generation: 0 })
  })

  test('wrong bytes refuse it, whatever was proven before', async () => {
    await look()
    for (const blob of fleet.blobs) writeFileSync(fleet.fileOf(host.tree, blob), Buffer.alloc(blob.sizeBytes, 7))
    await claim(2)
    expect(await look()).toMatchObject({ outcome: 'lying' })
    expect(await rows()).toMatchObject([
      { state: 'refused', reason: expect.stringMatching(/^wrong bytes: .*other bytes/) },
    ])
  })

  test('all that a host lacked is asked for again when it says that it is whole', async () => {
    for (const blob of fleet.blobs) rmSync(fleet.fileOf(host.tree, blob))
    await look()
    fleet.copyTo(host.tree, fleet.blobs)
    // Without a claim a crawl asks for one of them.
    await look(nowMs + minute)
    expect((await placed())[0]!.missing).toHaveLength(5)
    await claim(2)
    await look(nowMs + 2 * minute)
    expect(await rows()).toMatchObject([{ state: 'accepted', provenGeneration: 2 }])
  })

  test('where that is very much, crawls follow each other until it is decided', async () => {
    for (const blob of fleet.blobs) rmSync(fleet.fileOf(host.tree, blob))
    await look()
    fleet.copyTo(host.tree, fleet.blobs)
    await claim(2)
    await look(nowMs, { maxRechecks: 4 })
    expect(await rows()).toMatchObject([{ state: 'claimed' }])
    const jobs = await db.selectFrom('jobs').select(['kind', 'state']).execute()
    expect(jobs).toEqual([{ kind: 'crawl', state: 'waiting' }])
    await look(nowMs, { maxRechecks: 4 })
    expect(await rows()).toMatchObject([{ state: 'accepted' }])
  })

  test('a part of the tree is accepted as a part', async () => {
    rmSync(fleet.fileOf(host.tree, fleet.blobs[0]!))
    put(sign(said({ partial: { cap: '1G' } })))
    await look()
    expect(await rows()).toMatchObject([
      { state: 'accepted', isPartial: true, reason: 'a part of the tree, without 1 blob' },
    ])
    expect((await placed())[0]!.missing).toEqual([fleet.blobs[0]!.digest])
  })

  test('a trace that somebody put back is refused', async () => {
    const old = sign(said({ generation: 1, finishedAt: new Date(nowMs - 60 * minute).toISOString() }))
    put(old)
    await look()
    put(sign(said()))
    await look()
    put(old)
    expect((await look()).trace).toMatchObject({ state: 'refused', reason: expect.stringContaining('put it back') })
    expect(await rows()).toHaveLength(2)
  })

  test('a later trace of an older generation is no news', async () => {
    put(sign(said()))
    await look()
    put(sign(said({ generation: 1, finishedAt: new Date(nowMs).toISOString() })))
    expect((await look()).trace).toMatchObject({ state: 'signed', reason: expect.stringContaining('older generation') })
    expect(await rows()).toHaveLength(1)
  })

  const soon = new Date(nowMs + 11 * minute).toISOString()
  const wrong: readonly (readonly [string, () => unknown, string, RegExp])[] = [
    ['no signature', () => said(), 'unsigned', /hint only/],
    ['the token of another host', () => sign(said(), 'other.test'), 'refused', /not for this host/],
    ['a token that may not check in', () => sign(said(), 'reader'), 'refused', /not for this host/],
    ['a revoked token', () => sign(said(), 'revoked'), 'refused', /token revoked is revoked/],
    ['an expired token', () => sign(said(), 'expired'), 'refused', /token expired is expired/],
    [
      'a token that is not there',
      () => ({ ...sign(said()), signature: { tokenId: 'nobody', mac: '0'.repeat(64) } }),
      'refused',
      /does not exist/,
    ],
    ['a changed generation', () => ({ ...sign(said({ generation: 1 })), generation: 2 }), 'refused', /changed since/],
    ['the trace of another host', () => sign(said({ host: 'other.test' })), 'refused', /trace of other\.test/],
    ['another channel', () => sign(said({ channel: 'testing' })), 'refused', /channel testing/],
    ['a clock far ahead', () => sign(said({ finishedAt: soon })), 'refused', /in the future/],
    [
      'a generation that is not published',
      () => sign(said({ generation: 3 })),
      'refused',
      /its latest generation is 2/,
    ],
    ['a page instead', () => '<html>', 'refused', /no JSON object/],
    [
      'more than a trace can be',
      () => JSON.stringify(said()).padEnd(maxTraceBytes + 1),
      'refused',
      /more than|too large|bytes/,
    ],
  ]
  test.each(wrong)('with %s nothing is claimed, and the host is told why', async (_, make, state, reason) => {
    put(make())
    const record = await look()
    expect(record).toMatchObject({ outcome: 'complete', trace: { state, reason: expect.stringMatching(reason) } })
    expect(await rows()).toEqual([])
    // The crawl itself goes on as ever: what is proven is used.
    expect((await placed())[0]).toMatchObject({ generation: 2, missing: [] })
  })

  test('a server that sends the crawl elsewhere for the trace is not followed', async () => {
    const directives = 'location /trace/ { return 302 http://169.254.169.254/latest/; }'
    await using away = await fleet.addHost('away', { directives })
    await db.updateTable('host_urls').set({ url: away.url }).where('url', '=', host.url).execute()
    expect((await look()).trace).toMatchObject({ state: 'refused', reason: expect.stringContaining('status 302') })
    expect(await rows()).toEqual([])
  })

  test('without a trace nothing is claimed', async () => {
    expect((await look()).trace).toMatchObject({ state: 'absent', reason: expect.stringContaining('status 404') })
    expect(await rows()).toEqual([])
  })

  test('a clock a little ahead is no fault', async () => {
    put(sign(said({ finishedAt: new Date(nowMs + 9 * minute).toISOString() })))
    expect((await look()).trace).toMatchObject({ state: 'signed' })
  })

  test('a host that signs a new trace for every crawl is held to its number of check-ins', async () => {
    const told: unknown[] = []
    for (let i = 0; i <= checkIns.maxPerHour; i++) {
      const finishedAt = new Date(nowMs + i).toISOString()
      put(sign(said(i % 2 === 0 ? { finishedAt } : { finishedAt, partial: {} })))
      told.push((await look(nowMs + i)).trace)
    }
    expect(await rows()).toHaveLength(checkIns.maxPerHour)
    expect(told.at(-1)).toMatchObject({ state: 'refused', reason: expect.stringContaining('within an hour') })
  })
})
