// What block checks in the catalogue may rely on, for every engine.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { makeDigest } from '#oci/digest.ts'
import { findBlockChecks, listTreeBlobsSince, putBlockChecks } from './block-checks.ts'
import type { Catalogue } from './schema.ts'
import { addTreeBlobs, type TreeBlob } from './tree-blobs.ts'

const digest = (n: number) => makeDigest('sha256', n.toString(16).padStart(64, '0'))
const checks = (fill: number) => new Uint8Array(128).fill(fill)

export function blockChecksContract(engine: string, open: () => Promise<Catalogue>): void {
  describe(`block checks on ${engine}`, () => {
    let catalogue: Catalogue
    let count = 0
    beforeAll(async () => {
      catalogue = await open()
    })
    afterAll(() => catalogue.destroy())
    const put = (keyId: string, ...made: Parameters<typeof putBlockChecks>[2]) =>
      catalogue.transaction().execute((tx) => putBlockChecks(tx, keyId, made))

    test('come back byte by byte, for their key only', async () => {
      const sha512 = makeDigest('sha512', 'ab'.repeat(64))
      await put('one', { digest: digest(1), checks: checks(1) }, { digest: sha512, checks: checks(0xff) })
      const found = await findBlockChecks(catalogue, 'one', [digest(1), digest(2), sha512])
      expect([...found.keys()].sort()).toEqual([digest(1), sha512].sort())
      expect(Buffer.from(found.get(sha512)!)).toEqual(Buffer.from(checks(0xff)))
      expect(await findBlockChecks(catalogue, 'two', [digest(1)])).toEqual(new Map())
    })

    test('made anew with another key take their place', async () => {
      await put('one', { digest: digest(3), checks: checks(3) })
      await put('two', { digest: digest(3), checks: checks(4) })
      expect((await findBlockChecks(catalogue, 'one', [digest(3)])).size).toBe(0)
      expect(Buffer.from((await findBlockChecks(catalogue, 'two', [digest(3)])).get(digest(3))!)).toEqual(
        Buffer.from(checks(4)),
      )
    })

    test('of more blobs than one statement takes', async () => {
      const many = Array.from({ length: 5_001 }, (_, n) => ({ digest: digest(10_000 + n), checks: checks(n % 256) }))
      await put('many', ...many)
      const found = await findBlockChecks(
        catalogue,
        'many',
        many.map((one) => one.digest),
      )
      expect(found.size).toBe(5_001)
    })

    test('blobs of a tree come page by page in order of generation and digest, each once', async () => {
      const blob = fc.record({ generation: fc.integer({ min: 1, max: 4 }), n: fc.integer({ min: 0, max: 60 }) })
      const blobs = fc.uniqueArray(blob, { selector: ({ n }) => n, maxLength: 40 })
      await fc.assert(
        fc.asyncProperty(blobs, fc.integer({ min: 1, max: 9 }), async (rows, limit) => {
          const channel = `channel${++count}`
          const tree = rows.map(({ generation, n }) => ({ digest: digest(n), sizeBytes: n, generation }))
          await catalogue.transaction().execute((tx) => addTreeBlobs(tx, channel, tree))
          const seen: TreeBlob[] = []
          for (let after = { generation: 0, digest: '' as string }; ; ) {
            const page = await listTreeBlobsSince(catalogue, channel, after, limit)
            if (page.length === 0) break
            seen.push(...page)
            after = page.at(-1)!
          }
          const order = (a: TreeBlob, b: TreeBlob) => a.generation - b.generation || (a.digest < b.digest ? -1 : 1)
          expect(seen).toEqual(tree.sort(order))
        }),
        { numRuns: 25 },
      )
    })
  })
}
