// README.md's table, decision.ts and the code say the same: each step is shown to come before the next, by a case that fits both.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Digest } from '#oci/digest.ts'
import { parseImageReference } from '#oci/reference.ts'
import {
  config,
  digestOf,
  type FaultyHost,
  type FrontFixture,
  largeConfig,
  layer,
  makeAsk,
  manifest,
  openFront,
  otherLayer,
  placed,
  startHost,
} from '../../../test/kit/front-door.ts'
import { answerFront } from './answer-front.ts'
import { chooseDefaults } from './choose-options.ts'
import { steps } from './decision.ts'
import { type ExplainAsk, explainBlob } from './explain-blob.ts'
import type { FrontOptions } from './front-door.ts'
import { listImageBlobs } from './image-blobs.ts'
import { originLimitDefaults } from './origin-budget.ts'

let folder: string
let host: FaultyHost
let second: FaultyHost
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'decision-'))
  host = await startHost()
  second = await startHost()
})
afterAll(async () => {
  await host.stop()
  await second.stop()
  await rm(folder, { recursive: true, force: true })
})

const ip = '192.0.2.7'
const path = (digest: Digest) => `/v2/fedora/base/blobs/${digest}`
const ask = (fixture: FrontFixture, target: string, headers: Record<string, string> = {}, method = 'GET') =>
  answerFront(makeAsk(target, { 'x-forwarded-for': ip, ...headers }, method), fixture.front)
const explain = (fixture: FrontFixture, digest: Digest, more: Partial<ExplainAsk> = {}) =>
  explainBlob({ ip, digest, ...more }, fixture.front)!

async function open(options: Partial<FrontOptions> = {}): Promise<FrontFixture> {
  const fixture = await openFront(folder, { options })
  fixture.fleet([placed(1, host.url), placed(2, second.url)])
  return fixture
}
const withdraw = (fixture: FrontFixture, bytes: Buffer) =>
  fixture.holder.takeWithdrawals({
    format: 1,
    version: 1,
    builtAtMs: 1,
    withdrawn: [{ digest: digestOf(bytes), reason: 'why' }],
  })

test('the README shows the steps of decision.ts, word by word and in order', async () => {
  const readme = await readFile(join(import.meta.dir, 'README.md'), 'utf8')
  const table = readme.slice(readme.indexOf('| step |')).split('\n\n')[0]!
  const rows = table
    .split('\n')
    .slice(2)
    .map((row) => row.split('|').map((cell) => cell.trim()))
  expect(rows.map(([, step, text]) => [step, text])).toEqual(Object.entries(steps))
})

describe('the order', () => {
  test('unknown before withdrawn', async () => {
    const fixture = await open()
    withdraw(fixture, otherLayer)
    expect((await ask(fixture, path(digestOf(otherLayer)))).status).toBe(404)
    expect(explain(fixture, digestOf('none')).step).toBe('unknown')
  })

  test('withdrawn before told', async () => {
    const fixture = await open()
    withdraw(fixture, layer)
    const etag = { 'if-none-match': `"${digestOf(layer)}"` }
    expect((await ask(fixture, path(digestOf(layer)), etag, 'HEAD')).status).toBe(403)
    expect((await ask(fixture, path(digestOf(layer)), etag)).status).toBe(403)
    expect(explain(fixture, digestOf(layer)).step).toBe('withdrawn')
  })

  test('told before packed, miss and host', async () => {
    const fixture = await open()
    expect((await ask(fixture, path(digestOf(config)), {}, 'HEAD')).body).toBeUndefined()
    expect((await ask(fixture, `${path(digestOf(layer))}?miss=x`, {}, 'HEAD')).status).toBe(200)
    expect(fixture.front.counters.forgedMisses).toBe(0)
    expect((await ask(fixture, path(digestOf(layer)), { 'if-none-match': '*' })).status).toBe(304)
  })

  test.each([config, manifest])('packed before miss', async (bytes) => {
    const fixture = await open()
    for (const _ of [1, 2, 3]) expect((await ask(fixture, `${path(digestOf(bytes))}?miss=x`)).status).toBe(200)
    expect(fixture.front.counters.forgedMisses).toBe(0)
    expect(explain(fixture, digestOf(bytes)).step).toBe('packed')
  })

  test('miss before same and host', async () => {
    const fixture = await open()
    await ask(fixture, path(digestOf(layer)))
    expect((await ask(fixture, `${path(digestOf(layer))}?miss=x`, { range: 'bytes=0-9' })).status).toBe(206)
  })

  test('miss before config, and config before same and host', async () => {
    const fixture = await open()
    const target = path(digestOf(largeConfig))
    expect(explain(fixture, digestOf(largeConfig)).step).toBe('config')
    for (const headers of [{}, {}, {}, { range: 'bytes=0-9' }] as Record<string, string>[])
      expect((await ask(fixture, target, headers)).status).toBe(headers.range ? 206 : 200)
    expect(fixture.front.counters.largeConfigs).toBe(4)
    await ask(fixture, `${target}?miss=x`)
    expect(fixture.front.counters).toMatchObject({ largeConfigs: 4, forgedMisses: 1, redirects: 0 })
  })

  test("miss before stream, stream before same and host, and its parts are the origin's", async () => {
    const clientRules = [{ product: 'a', kind: 'normal', mode: 'stream' } as const]
    const fixture = await open({ clientRules })
    const agent = { 'user-agent': 'a/1' }
    expect((await ask(fixture, `${path(digestOf(layer))}?miss=x`, agent)).status).toBe(200)
    expect(fixture.front.counters).toMatchObject({ originMiss: 1, streams: 0 })
    expect((await ask(fixture, path(digestOf(layer)))).status).toBe(307)
    expect(explain(fixture, digestOf(layer), { userAgent: 'a/1' }).step).toBe('stream')
    expect((await ask(fixture, path(digestOf(layer)), agent)).status).toBe(200)
    expect(fixture.front.counters).toMatchObject({ originMiss: 1, streams: 1 })
    const range = 'bytes=0-9'
    expect(explain(fixture, digestOf(layer), { userAgent: 'a/1', range }).step).toBe('origin')
    expect((await ask(fixture, path(digestOf(layer)), { ...agent, range })).status).toBe(206)
  })

  test('origin before host for a class that is kept there', async () => {
    const clientRules = [{ product: 'a', kind: 'normal', mode: 'origin' } as const]
    const fixture = await open({ clientRules })
    expect(explain(fixture, digestOf(layer), { userAgent: 'a/1' }).step).toBe('origin')
    expect((await ask(fixture, path(digestOf(layer)), { 'user-agent': 'a/1' })).status).toBe(200)
  })

  test('origin before farther before queued', async () => {
    const fixture = await open({
      origin: { ...originLimitDefaults, transfers: 1, maxWaiting: 0 },
      choose: { ...chooseDefaults, maxCandidates: 1 },
    })
    const from = async (client: string) =>
      (await ask(fixture, path(digestOf(layer)), { 'x-forwarded-for': client })).status
    for (const client of ['192.0.2.7', '198.51.100.7']) expect(await from(client)).toBe(307)
    expect([await from('192.0.2.7'), await from('198.51.100.7')]).toEqual([200, 307])
    expect(fixture.front.counters).toMatchObject({ originAfterRound: 2, originFarther: 1 })
    fixture.fleet([], {}, fixture.clock.nowMs + 1)
    expect(await from('198.51.100.7')).toBe(503)
  })

  test('same before host', async () => {
    const fixture = await open()
    const first = (await ask(fixture, path(digestOf(layer)))).headers.location
    const range = 'bytes=0-9'
    expect(explain(fixture, digestOf(layer), { range })).toMatchObject({ step: 'same' })
    expect((await ask(fixture, path(digestOf(layer)), { range })).headers.location).toBe(first!)
    const next = explain(fixture, digestOf(layer))
    expect(next.step).toBe('host')
    expect((await ask(fixture, path(digestOf(layer)))).headers.location).toStartWith(
      next.answer.slice('307 to '.length),
    )
  })

  test('host before held: a proven host is not kept waiting by a nearer one in doubt', async () => {
    const fixture = await open()
    await ask(fixture, path(digestOf(layer)))
    fixture.clock.nowMs += 5_000
    await ask(fixture, path(digestOf(layer)))
    expect(explain(fixture, digestOf(layer), { ip: '192.0.2.8' }).step).not.toBe('held')
  })

  test('held before origin', async () => {
    const fixture = await open()
    fixture.clock.nowMs += 600_000
    const told = explain(fixture, digestOf(layer))
    expect([told.step, told.isFleetFresh]).toEqual(['held', false])
    expect((await ask(fixture, path(digestOf(layer)))).status).toBe(307)
  })

  test('origin last: no host suits, or the round is over', async () => {
    const fixture = await open()
    await ask(fixture, path(digestOf(layer)))
    await ask(fixture, path(digestOf(layer)))
    expect(explain(fixture, digestOf(layer))).toMatchObject({
      step: 'origin',
      answer: expect.stringContaining('every host'),
    })
    expect((await ask(fixture, path(digestOf(layer)))).status).toBe(200)
    fixture.fleet([placed(1, host.url, { excluded: 'switched off' })], {}, fixture.clock.nowMs + 1)
    const told = explain(fixture, digestOf(layer), { ip: '203.0.113.5' })
    expect(told).toMatchObject({ step: 'origin', answer: 'from the origin: no host suits' })
    expect(told.hosts!.leftOut[0]!.reason).toBe('switched off')
  })
})

test('an explanation tells the client, the blob and every host, changes nothing, and comes out the same again', async () => {
  const fixture = await open()
  const told = explain(fixture, digestOf(layer), { userAgent: 'skopeo/1.9.3' })
  expect(told).toMatchObject({
    generation: 3,
    blob: { sizeBytes: layer.length, generation: 3, repositories: ['fedora/base'] },
    client: { address: ip, kind: 'fragile', country: undefined },
  })
  expect(told.candidates.map(({ state, isTried }) => [state, isTried])).toEqual([
    ['proven', false],
    ['proven', false],
  ])
  expect(explain(fixture, digestOf(layer), { userAgent: 'skopeo/1.9.3' })).toEqual(told)
  expect(fixture.front.asks.size).toBe(0)
  expect(JSON.parse(JSON.stringify(told))).toMatchObject({ step: 'host' })
  expect(explainBlob({ ip: 'nonsense', digest: digestOf(layer) }, fixture.front)).toBeUndefined()
})

test.each([
  ['fedora/base:v00', [config, layer]],
  ['fedora/base:latest', [config, layer]],
  [`fedora/base@${digestOf(manifest)}`, [config, layer]],
  ['fedora/base:none', undefined],
  ['none:latest', undefined],
] as const)('the blobs of %s', async (reference, blobs) => {
  const { front } = await open()
  expect(await listImageBlobs(parseImageReference(reference)!, front)).toEqual(blobs?.map(digestOf))
})
