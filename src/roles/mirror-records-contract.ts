// What the mirror stage may rely on, for every engine of the catalogue.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { addHost, addSite, listHosts, lockHost, updateHost } from '#catalogue/hosts.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import type { CrawlRecord } from '#stages/mirror/host-records.ts'
import { hostFacts } from '../../test/kit/host-facts.ts'
import { fleetRecords, hostRecords, treeRecords } from './mirror-records.ts'

const facts = (name: string) =>
  hostFacts(name, {
    country: 'CZ',
    latitude: 49.1951,
    longitude: -16.6068,
    bandwidthMbps: 1000,
    asn: 2852,
    peerAsns: [64500],
    netblocks: ['147.229.0.0/16'],
    allowedCountries: ['CZ', 'SK'],
    categories: [{ category: 'stable', urls: [`https://${name}`, `http://${name}`] }],
  })

const crawl = (hostId: number, finishedAtMs: number, about: Partial<CrawlRecord> = {}): CrawlRecord => ({
  hostId,
  channel: 'stable',
  startedAtMs: finishedAtMs - 1,
  finishedAtMs,
  outcome: 'lying',
  reason: 'other bytes',
  held: 3,
  lacking: 1,
  requests: 9,
  sampledBytes: 512,
  faults: [{ url: 'https://h/x', expected: '206', came: 'other bytes at 5-9' }],
  ...about,
})

export function mirrorRecordsContract(engine: string, open: () => Promise<Catalogue>): void {
  describe(`the mirror's records on ${engine}`, () => {
    let catalogue: Catalogue
    const ids: number[] = []

    beforeAll(async () => {
      catalogue = await open()
      await catalogue.transaction().execute(async (tx) => {
        const site = await addSite(
          tx,
          { name: 'site', organisationUrl: undefined, isPrivate: true, contact: undefined },
          1,
        )
        for (const name of ['a.example', 'b.example']) ids.push((await addHost(tx, site!.id, facts(name), 1))!)
      })
    })

    afterAll(() => catalogue.destroy())

    test('hosts come back whole, with their site', async () => {
      const [host, ...others] = await fleetRecords(catalogue).listHosts()
      expect(host).toEqual({
        ...facts('a.example'),
        id: ids[0]!,
        site: expect.objectContaining({ name: 'site', isPrivate: true }),
      })
      expect(others.length).toBe(1)
    })

    test('of changes at once each builds on the one before', async () => {
      const add = (mbps: number) =>
        catalogue.transaction().execute(async (tx) => {
          await lockHost(tx, ids[1]!)
          const { bandwidthMbps, ...host } = (await listHosts(tx)).find(({ id }) => id === ids[1])!
          await updateHost(tx, ids[1]!, { ...host, bandwidthMbps: bandwidthMbps + mbps }, 1)
        })
      await Promise.all([1, 2, 4, 8].map(add))
      const hosts = await listHosts(catalogue)
      expect(hosts.find(({ id }) => id === ids[1])!.bandwidthMbps).toBe(1015)
    })

    test('presence is replaced, by host and channel', async () => {
      const records = hostRecords(catalogue, () => 7)
      expect(await records.findPresence(ids[0]!, 'stable')).toBeUndefined()
      await records.savePresence(ids[0]!, 'stable', { generation: 1, missing: ['sha256:a'], extra: [] })
      await records.savePresence(ids[0]!, 'stable', { generation: 2, missing: [], extra: ['sha256:b'] })
      await records.savePresence(ids[0]!, 'testing', { generation: 9, missing: [], extra: [] })
      const kept = { generation: 2, missing: [], extra: ['sha256:b'] }
      expect(await records.findPresence(ids[0]!, 'stable')).toEqual(kept)
      expect(await fleetRecords(catalogue).listPresence('stable')).toEqual(new Map([[ids[0]!, kept]]))
    })

    test('the last crawl of each host is told with its evidence', async () => {
      const records = hostRecords(catalogue, () => 7)
      await records.saveCrawl(crawl(ids[0]!, 10, { outcome: 'complete', faults: [] }))
      await records.saveCrawl(crawl(ids[0]!, 20))
      await records.saveCrawl(crawl(ids[1]!, 15, { outcome: 'behind' }))
      await records.saveCrawl(crawl(ids[1]!, 99, { channel: 'testing' }))
      const last = await fleetRecords(catalogue).listLastCrawls('stable')
      expect(last).toEqual(
        new Map([
          [ids[0]!, crawl(ids[0]!, 20)],
          [ids[1]!, crawl(ids[1]!, 15, { outcome: 'behind' })],
        ]),
      )
      expect(await records.findLastCrawl(ids[0]!, 'stable')).toEqual(crawl(ids[0]!, 20))
    })

    test('the tree is listed by generation, and drawn from without ever leaving it', async () => {
      const blobs = Array.from({ length: 40 }, (_, i) => ({
        channel: 'stable',
        digest: `sha256:${(i * 6).toString(16).padStart(2, '0').repeat(32)}`,
        size_bytes: 100 + i,
        generation: 1 + (i % 4),
      }))
      await catalogue.insertInto('tree_blobs').values(blobs).execute()
      const tree = treeRecords(catalogue)
      const listed: number[] = []
      for await (const blob of tree.listBlobs('stable', 1, 3)) listed.push(blob.generation)
      expect(listed).toEqual([...Array<number>(10).fill(2), ...Array<number>(10).fill(3)])
      const drawn = new Set<string>()
      for (let i = 0; i < 200; i++) drawn.add((await tree.pickBlob('stable', 2, i / 200))!.digest)
      const upToTwo = blobs.filter(({ generation }) => generation <= 2).map(({ digest }) => digest)
      expect([...drawn].sort()).toEqual(upToTwo.sort())
      expect(await tree.pickBlob('stable', 0, 0.5)).toBeUndefined()
      expect(await tree.findBlob('stable', blobs[3]!.digest)).toMatchObject({ sizeBytes: 103, generation: 4 })
      expect(await tree.findBlob('testing', blobs[3]!.digest)).toBeUndefined()
    })
  })
}
