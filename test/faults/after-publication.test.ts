// The hour after a publication in a fleet of which a third is always broken: everybody pulls what is new, hosts copy it when their own
// hour comes, and each may be used as soon as crawls have proven a blob there. An hour takes half a minute.

import { expect, test } from 'bun:test'
import { breakAllOnce, pullThrough, tellLosses } from '../kit/churn.ts'
import { seeded } from '../kit/seeded.ts'
import { SimFleet } from '../kit/sim-fleet.ts'

const haste = 10
/** Of copying and of crawls; faults and what is done about them keep the pace of churn.test.ts. */
const crawlHaste = 120
const hourMs = 3_600_000 / crawlHaste
const minuteMs = hourMs / 60
const newBlobs = 8
const everyMs = 40
const freshMs = 200 / haste

test('what is new comes from hosts as soon as they have it', async () => {
  const random = seeded(5)
  await using fleet = await SimFleet.start({ hosts: 20, gold: 6, blobs: 4, blobBytes: 70_000, haste, crawlHaste })
  await fleet.watch()
  await breakAllOnce(fleet, random)
  await fleet.publish(newBlobs, 70_000, false)
  const news = fleet.tree.blobs.slice(-newBlobs)
  // A line of cron, the minutes spread over the hour and the first gold host in its seventh; then blob after blob, for five to fifteen minutes.
  // Every other one checks in when it is done.
  const timers = fleet.hosts.flatMap((host, n) => {
    const beginMs = (((7 * n + 2) % 20) / 20 + 0.025) * 55 * minuteMs
    const copyMs = (5 + 10 * random()) * minuteMs
    return news.map(({ digest }, i) => {
      const take = () => {
        host.held.add(digest)
        if (i === news.length - 1 && n % 2 === 0) fleet.checkIn(host)
      }
      return setTimeout(take, beginMs + ((i + 1) * copyMs) / news.length)
    })
  })
  const pulls = Math.floor(hourMs / everyMs)
  const outcomes = await pullThrough(fleet, {
    pulls,
    everyMs,
    haste,
    random,
    limitMs: hourMs,
    firstBlob: fleet.tree.blobs.length - newBlobs,
  })
  for (const timer of timers) clearTimeout(timer)
  const { failed, between, originShare } = tellLosses(fleet, outcomes, freshMs)
  expect(fleet.failures).toEqual([])
  expect(failed).toBe(between)
  expect(between).toBeLessThanOrEqual(outcomes.length / 100)
  expect(originShare).toBeLessThanOrEqual(0.4)
}, 120_000)
