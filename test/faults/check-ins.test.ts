// A host on a real web server that says what it has: honestly, too early, with lies. Whatever it says, who is sent where follows from the
// crawl's own proofs.

import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test'
import { rmSync, writeFileSync } from 'node:fs'
import { describeWith } from '../kit/need-tool.ts'
import { minute, nowMs, Volunteer } from './volunteer.ts'

let one: Volunteer

describeWith('check-ins of a real server', ['nginx'])('check-ins', () => {
  beforeAll(async () => {
    one = await Volunteer.open()
  })
  afterAll(() => one[Symbol.asyncDispose]())
  beforeEach(() => one.reset())

  test('a signed lie is refused with the evidence, changes no placement, and may be made good', async () => {
    const [, gone] = one.fleet.blobs
    rmSync(one.fleet.fileOf(one.host.tree, gone!))
    await one.look()
    const before = await one.placed()
    one.put(one.sign(one.said()))
    const record = await one.look()
    expect(record).toMatchObject({ outcome: 'complete', lacking: 1, trace: { state: 'signed' } })
    const [refused] = await one.checkIns()
    expect(refused).toMatchObject({ generation: 2, state: 'refused', provenGeneration: 0 })
    expect(refused!.reason).toMatch(/^lacking: 1 blob up to generation 2; .* came status 404/)
    expect(JSON.parse(refused!.evidence!)).toMatchObject([{ url: expect.stringContaining(gone!.digest.slice(7)) }])
    expect(await one.events()).toMatchObject([
      {
        type: 'host.check-in.refused',
        data: { generation: 2, provenGeneration: 0, faults: [{ came: 'status 404' }] },
      },
    ])
    expect(await one.placed()).toEqual(before)
    expect(before).toMatchObject({ generation: 2, missing: [gone!.digest] })

    one.fleet.copyTo(one.host.tree, [gone!])
    one.put(one.sign(one.said({ finishedAt: new Date(nowMs).toISOString() })))
    await one.look(nowMs + minute)
    expect((await one.checkIns()).map((row) => row.state)).toEqual(['accepted', 'refused'])
    expect(await one.placed()).toMatchObject({ generation: 2, missing: [] })
  })

  test('a claim before any proof places nobody', async () => {
    const before = await one.placed()
    await one.claim(2)
    expect(await one.placed()).toEqual(before)
    expect(before).toMatchObject({ generation: 0 })
  })

  test('wrong bytes refuse it, whatever was proven before', async () => {
    await one.look()
    for (const blob of one.fleet.blobs)
      writeFileSync(one.fleet.fileOf(one.host.tree, blob), Buffer.alloc(blob.sizeBytes, 7))
    await one.claim(2)
    expect(await one.look()).toMatchObject({ outcome: 'lying' })
    expect(await one.checkIns()).toMatchObject([
      { state: 'refused', reason: expect.stringMatching(/^wrong bytes: .*other bytes/) },
    ])
  })

  test('all that a host lacked is asked for again when it says that it is whole', async () => {
    for (const blob of one.fleet.blobs) rmSync(one.fleet.fileOf(one.host.tree, blob))
    await one.look()
    one.fleet.copyTo(one.host.tree, one.fleet.blobs)
    // Without a claim a crawl asks for one of them.
    await one.look(nowMs + minute)
    expect((await one.placed()).missing).toHaveLength(5)
    await one.claim(2)
    await one.look(nowMs + 2 * minute)
    expect(await one.checkIns()).toMatchObject([{ state: 'accepted', provenGeneration: 2 }])
  })

  test('where that is very much, crawls follow each other until it is decided', async () => {
    for (const blob of one.fleet.blobs) rmSync(one.fleet.fileOf(one.host.tree, blob))
    await one.look()
    one.fleet.copyTo(one.host.tree, one.fleet.blobs)
    await one.claim(2)
    await one.look(nowMs, { maxRechecks: 4 })
    expect(await one.checkIns()).toMatchObject([{ state: 'claimed' }])
    const jobs = await one.db.selectFrom('jobs').select(['kind', 'state']).execute()
    expect(jobs).toEqual([{ kind: 'crawl', state: 'waiting' }])
    await one.look(nowMs, { maxRechecks: 4 })
    expect(await one.checkIns()).toMatchObject([{ state: 'accepted' }])
  })

  test('a part of the tree is accepted as a part', async () => {
    rmSync(one.fleet.fileOf(one.host.tree, one.fleet.blobs[0]!))
    one.put(one.sign(one.said({ partial: { cap: '1G' } })))
    await one.look()
    expect(await one.checkIns()).toMatchObject([
      { state: 'accepted', isPartial: true, reason: 'a part of the tree, without 1 blob' },
    ])
    expect((await one.placed()).missing).toEqual([one.fleet.blobs[0]!.digest])
  })
})
