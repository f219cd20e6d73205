// What overviews may rely on, for every engine.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { makeDigest } from '#oci/digest.ts'
import { hostFacts } from '../../test/kit/host-facts.ts'
import { saveCrawl } from './host-copies.ts'
import { addHost, addSite } from './hosts.ts'
import { listLastCrawls, sumTree } from './overview.ts'
import type { Catalogue } from './schema.ts'
import { addTreeBlobs } from './tree-blobs.ts'

export function overviewContract(engine: string, open: () => Promise<Catalogue>): void {
  describe(`overviews on ${engine}`, () => {
    let catalogue: Catalogue
    const hosts: number[] = []

    beforeAll(async () => {
      catalogue = await open()
      await catalogue.transaction().execute(async (tx) => {
        const about = { organisationUrl: undefined, isPrivate: false, contact: undefined }
        const site = await addSite(tx, { name: 'university', ...about }, 1)
        for (const name of ['a', 'b', 'c']) hosts.push((await addHost(tx, site!.id, hostFacts(name), 1))!)
      })
    })
    afterAll(() => catalogue.destroy())

    test('the last crawl of each host, of this channel alone', async () => {
      const crawls: readonly (readonly [number, string, number, string])[] = [
        [0, 'stable', 10, 'trouble'],
        [0, 'stable', 30, 'complete'],
        [0, 'stable', 20, 'lying'],
        [0, 'beta', 40, 'partial'],
        [1, 'stable', 5, 'behind'],
        [2, 'beta', 5, 'behind'],
      ]
      for (const [i, channel, finishedAtMs, outcome] of crawls) {
        const about = { hostId: hosts[i]!, channel, startedAtMs: 1, finishedAtMs, outcome, detail: '{}' }
        await saveCrawl(catalogue, `${i}-${channel}-${finishedAtMs}`, about)
      }
      expect(await listLastCrawls(catalogue, 'stable')).toEqual(
        new Map([
          [hosts[0]!, { finishedAtMs: 30, outcome: 'complete' }],
          [hosts[1]!, { finishedAtMs: 5, outcome: 'behind' }],
        ]),
      )
    })

    test('what a copy needs, of this channel alone', async () => {
      expect(await sumTree(catalogue, 'stable')).toEqual({ blobs: 0, sizeBytes: 0 })
      const blob = (n: number, sizeBytes: number) => ({
        digest: makeDigest('sha256', String(n).padStart(64, '0')),
        sizeBytes,
        generation: 1,
      })
      await catalogue.transaction().execute(async (tx) => {
        await addTreeBlobs(tx, 'stable', [blob(1, 2 ** 50), blob(2, 3)])
        await addTreeBlobs(tx, 'beta', [blob(1, 7)])
      })
      expect(await sumTree(catalogue, 'stable')).toEqual({ blobs: 2, sizeBytes: 2 ** 50 + 3 })
    })
  })
}
