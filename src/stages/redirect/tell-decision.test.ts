import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  config,
  digestOf,
  type FaultyHost,
  type FrontFixture,
  layer,
  makeAsk,
  manifest,
  openFront,
  otherLayer,
  placed,
  startHost,
} from '../../../test/kit/front-door.ts'
import { answerFront } from './answer-front.ts'
import { steps } from './decision.ts'
import { decisionText } from './tell-decision.ts'

test.each([
  [
    { step: 'host', host: 'mirror.example.org', tier: 'country', proof: 'snapshot' },
    'host; host=mirror.example.org; tier=country; proof=snapshot',
  ],
  // RFC 9651: what does not begin with a letter is no token.
  [{ step: 'same', host: '9.example.org' }, 'same; host="9.example.org"'],
  [{ step: 'host', host: 'a"b\\c\r\nx: é' }, 'host; host="a\\"b\\\\c??x: ?"'],
  [{ step: 'origin', reason: 'no-host' }, 'origin; reason=no-host'],
  [{ step: 'miss', ticket: true }, 'miss; ticket=?1'],
  [{ step: 'told' }, 'told'],
] as const)('%j is %s', (decision, text) => {
  expect(decisionText(decision)).toBe(text)
})

describe('at the front door', () => {
  let folder: string
  let host: FaultyHost
  let fixture: FrontFixture
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'decisions-'))
    host = await startHost()
    fixture = await openFront(folder, { options: { tellsDecision: true } })
    fixture.fleet([placed(1, host.url)])
  })
  afterAll(async () => {
    await fixture.outbound[Symbol.asyncDispose]()
    await host.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const blob = (bytes: Buffer) => `/v2/fedora/base/blobs/${digestOf(bytes)}`
  const ask = (path: string, { from = '192.0.2.1', method = 'GET', ...headers }: Record<string, string> = {}) =>
    Promise.resolve(answerFront(makeAsk(path, { 'x-forwarded-for': from, ...headers }, method), fixture.front))
  const decisionOf = async (...asked: Parameters<typeof ask>) => (await ask(...asked)).headers['flotilla-decision']

  const accept = 'application/vnd.oci.image.manifest.v1+json'
  test.each<[string, string, Record<string, string>, string]>([
    ['a manifest by tag', '/v2/fedora/base/manifests/v00', { accept }, 'packed'],
    ['a manifest by digest', `/v2/fedora/base/manifests/${digestOf(manifest)}`, {}, 'packed'],
    ['its HEAD', '/v2/fedora/base/manifests/v00', { method: 'HEAD', accept }, 'told'],
    ['one that the client has', '/v2/fedora/base/manifests/v00', { accept, 'if-none-match': '*' }, 'told'],
    ['no such manifest', '/v2/fedora/base/manifests/none', {}, 'unknown'],
    ['a type that the client cannot read', '/v2/fedora/base/manifests/latest', { accept: 'text/html' }, 'unknown'],
    ['a small blob', blob(config), {}, 'packed'],
    ["another repository's blob", blob(otherLayer), {}, 'unknown'],
    ['HEAD of a layer', blob(layer), { method: 'HEAD' }, 'told'],
    ['a layer', blob(layer), { from: '192.0.3.1' }, 'host; host=host1; tier=world; proof=snapshot'],
    [
      'a part of it',
      blob(layer),
      { from: '192.0.3.1', range: 'bytes=0-9' },
      'same; host=host1; tier=world; proof=snapshot',
    ],
    ['a miss without a good ticket', `${blob(layer)}?miss=x`, { from: '192.0.4.1' }, 'miss; ticket=?0'],
    ['the same too often', `${blob(layer)}?miss=x`, { from: '192.0.4.1' }, 'miss; ticket=?0'],
    ['a layer over a family that no host speaks', blob(layer), { from: '2001:db8::1' }, 'origin; reason=no-host'],
  ])('%s', async (_, path, headers, decision) => {
    expect(await decisionOf(path, headers)).toBe(decision)
  })

  test('what was withdrawn', async () => {
    const withdrawn = [{ digest: digestOf(config), reason: 'why' }]
    fixture.holder.takeWithdrawals({ format: 1, version: 1, builtAtMs: 1, withdrawn })
    expect(await decisionOf(blob(config))).toBe('withdrawn')
  })

  test('lists and names that nobody published have none; without the option nobody has', async () => {
    expect(await decisionOf('/v2/fedora/base/tags/list')).toBeUndefined()
    expect(await decisionOf('/v2/nobody/here/manifests/latest')).toBeUndefined()
    const silent = await openFront(folder)
    const answer = await answerFront(makeAsk(blob(layer), { 'x-forwarded-for': '192.0.2.1' }), silent.front)
    expect(answer.headers['flotilla-decision']).toBeUndefined()
    await silent.outbound[Symbol.asyncDispose]()
  })

  test('each answer is counted by its step', () => {
    const { steps: counted } = fixture.front.tallies
    expect(Object.keys(counted)).toEqual(Object.keys(steps))
    expect(counted).toMatchObject({
      unknown: 3,
      withdrawn: 1,
      told: 3,
      packed: 3,
      miss: 2,
      same: 1,
      host: 1,
      origin: 1,
    })
  })
})
