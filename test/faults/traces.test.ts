// A host on a real web server that checks in by its trace: with its token, with other people's, with old traces, with a clock that is wrong.

import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test'
import { maxTraceBytes } from '#snapshots/trace.ts'
import { describeWith } from '../kit/need-tool.ts'
import { maxPerHour, minute, nowMs, Volunteer } from './volunteer.ts'

let one: Volunteer

describeWith('traces of a real server', ['nginx'])('traces', () => {
  beforeAll(async () => {
    one = await Volunteer.open()
  })
  afterAll(() => one[Symbol.asyncDispose]())
  beforeEach(() => one.reset())

  test('a signed trace of a whole copy is a check-in, accepted by the same crawl', async () => {
    one.put(one.sign(one.said()))
    expect((await one.look()).trace).toMatchObject({ state: 'signed', generation: 2, reason: 'it is a new check-in' })
    expect(await one.checkIns()).toMatchObject([
      { source: 'trace', generation: 2, state: 'accepted', provenGeneration: 2, finishedAtMs: nowMs - minute },
    ])
    expect(await one.events()).toMatchObject([
      { type: 'host.check-in.accepted', subject: 'honest.test', data: { generation: 2, source: 'trace' } },
    ])
    // It is read again with every crawl, and says nothing new.
    expect((await one.look()).trace).toMatchObject({ state: 'signed', reason: 'it was seen before' })
    one.put(one.sign(one.said({ finishedAt: new Date(nowMs).toISOString() })))
    expect((await one.look()).trace).toMatchObject({ reason: 'it says the same as the last check-in' })
    expect(await one.checkIns()).toHaveLength(1)
    expect(await one.events()).toHaveLength(1)
  })

  test('a token of the operator, which is for every host, signs as well', async () => {
    one.put(one.sign(one.said(), 'operator'))
    expect((await one.look()).trace).toMatchObject({ state: 'signed' })
    expect(await one.checkIns()).toMatchObject([{ state: 'accepted' }])
  })

  test('a trace that somebody put back is refused', async () => {
    const old = one.sign(one.said({ generation: 1, finishedAt: new Date(nowMs - 60 * minute).toISOString() }))
    one.put(old)
    await one.look()
    one.put(one.sign(one.said()))
    await one.look()
    one.put(old)
    expect((await one.look()).trace).toMatchObject({ state: 'refused', reason: expect.stringContaining('put it back') })
    expect(await one.checkIns()).toHaveLength(2)
  })

  test('a later trace of an older generation is no news', async () => {
    one.put(one.sign(one.said()))
    await one.look()
    one.put(one.sign(one.said({ generation: 1, finishedAt: new Date(nowMs).toISOString() })))
    expect((await one.look()).trace).toMatchObject({
      state: 'signed',
      reason: expect.stringContaining('older generation'),
    })
    expect(await one.checkIns()).toHaveLength(1)
  })

  const soon = new Date(nowMs + 11 * minute).toISOString()
  const wrong: readonly (readonly [string, () => unknown, string, RegExp])[] = [
    ['no signature', () => one.said(), 'unsigned', /hint only/],
    ['the token of another host', () => one.sign(one.said(), 'other.test'), 'refused', /not for this host/],
    ['a token that may not check in', () => one.sign(one.said(), 'reader'), 'refused', /not for this host/],
    ['a revoked token', () => one.sign(one.said(), 'revoked'), 'refused', /token revoked is revoked/],
    ['an expired token', () => one.sign(one.said(), 'expired'), 'refused', /token expired is expired/],
    [
      'a token that is not there',
      () => ({ ...one.sign(one.said()), signature: { tokenId: 'nobody', mac: '0'.repeat(64) } }),
      'refused',
      /does not exist/,
    ],
    [
      'a changed generation',
      () => ({ ...one.sign(one.said({ generation: 1 })), generation: 2 }),
      'refused',
      /changed since/,
    ],
    ['the trace of another host', () => one.sign(one.said({ host: 'other.test' })), 'refused', /trace of other\.test/],
    ['another channel', () => one.sign(one.said({ channel: 'testing' })), 'refused', /channel testing/],
    ['a clock far ahead', () => one.sign(one.said({ finishedAt: soon })), 'refused', /in the future/],
    [
      'a generation that is not published',
      () => one.sign(one.said({ generation: 3 })),
      'refused',
      /its latest generation is 2/,
    ],
    ['a page instead', () => '<html>', 'refused', /no JSON object/],
    [
      'more than a trace can be',
      () => JSON.stringify(one.said()).padEnd(maxTraceBytes + 1),
      'refused',
      /more than|too large|bytes/,
    ],
  ]
  test.each(wrong)('with %s nothing is claimed, and the host is told why', async (_, make, state, reason) => {
    one.put(make())
    const record = await one.look()
    expect(record).toMatchObject({ outcome: 'complete', trace: { state, reason: expect.stringMatching(reason) } })
    expect(await one.checkIns()).toEqual([])
    // The crawl itself goes on as ever: what is proven is used.
    expect(await one.placed()).toMatchObject({ generation: 2, missing: [] })
  })

  test('a server that sends the crawl elsewhere for the trace is not followed', async () => {
    const directives = 'location /trace/ { return 302 http://169.254.169.254/latest/; }'
    await using away = await one.fleet.addHost('away', { directives })
    await one.db.updateTable('host_urls').set({ url: away.url }).execute()
    expect((await one.look()).trace).toMatchObject({ state: 'refused', reason: expect.stringContaining('status 302') })
    expect(await one.checkIns()).toEqual([])
  })

  test('without a trace nothing is claimed', async () => {
    expect((await one.look()).trace).toMatchObject({ state: 'absent', reason: expect.stringContaining('status 404') })
    expect(await one.checkIns()).toEqual([])
  })

  test('a clock a little ahead is no fault', async () => {
    one.put(one.sign(one.said({ finishedAt: new Date(nowMs + 9 * minute).toISOString() })))
    expect((await one.look()).trace).toMatchObject({ state: 'signed' })
  })

  test('a host that signs a new trace for every crawl is held to its number of check-ins', async () => {
    const told: unknown[] = []
    for (let i = 0; i <= maxPerHour; i++) {
      const finishedAt = new Date(nowMs + i).toISOString()
      one.put(one.sign(one.said(i % 2 === 0 ? { finishedAt } : { finishedAt, partial: {} })))
      told.push((await one.look(nowMs + i)).trace)
    }
    expect(await one.checkIns()).toHaveLength(maxPerHour)
    expect(told.at(-1)).toMatchObject({ state: 'refused', reason: expect.stringContaining('within an hour') })
  })
})
