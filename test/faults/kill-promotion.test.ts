// kill -9 in the middle of promotions of several repositories: each is whole or was never there, and none that was answered is lost.

import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Flotilla } from '../kit/flotilla.ts'
import { adminToken, askApi, pushImage } from '../kit/flotilla-client.ts'
import { describeKills, surviveKills } from '../kit/kill-loop.ts'

const repositories = ['base', 'web/front', 'web/back', 'db']
const variants = 5

type Act = {
  readonly id: string
  readonly repositories: readonly {
    repository: string
    version: number
    tags: { tag: string; from: string | null }[]
  }[]
}

const requestOf = (variant: number) => ({
  references: repositories.map((name) => `${name}:v${variant}`),
  to: 'stable',
  tags: ['live'],
})

test('a promotion survives kills whole, or not at all', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kill-promotion-'))
  const digests = new Map<string, number>()
  let next = 1
  let answered = { number: 0, act: undefined as Act | undefined }
  let underWay: number | undefined

  const promote = async (server: Flotilla, number: number): Promise<Act> => {
    underWay = number
    const act = await askApi<Act>(
      server,
      'POST',
      '/api/v1/promotions',
      requestOf(number % variants),
      `promotion ${number}`,
    )
    answered = { number, act }
    underWay = undefined
    return act
  }

  try {
    const report = await surviveKills({
      folder,
      kills: 200,
      withinMs: 150,
      env: { FLOTILLA_ADMIN_TOKEN: adminToken, FLOTILLA_PUBLISH_DELAY: '1d' },
      async prepare(server) {
        for (const repository of repositories) {
          for (let variant = 0; variant < variants; variant++) {
            const layer = Buffer.from(`layer ${repository} ${variant}`)
            const note = `${repository} ${variant}`
            const { digest } = await pushImage(server, { repository, tag: `v${variant}`, note, layer })
            digests.set(digest, variant)
          }
        }
        await promote(server, 0)
      },
      work: [
        async (server, hammer) => {
          await hammer.doing(() => promote(server, next))
          next++
        },
      ],
      async check(server, round) {
        // A dry run of the state that should not be tells what is, for every repository.
        const other = (answered.number + 2) % variants
        const told = await askApi<Act>(server, 'POST', '/api/v1/promotions', { ...requestOf(other), dryRun: true })
        const present = told.repositories.map((one) =>
          digests.get(one.tags.find((tag) => tag.tag === 'live')?.from ?? ''),
        )
        expect(new Set(present).size).toBe(1)
        const wanted = [answered.number, ...(underWay === undefined ? [] : [underWay])].map(
          (number) => number % variants,
        )
        expect(wanted).toContain(present[0]!)
        // Asked again under its key, the one that was cut off is what it would have been; the one that was answered is as answered.
        if (underWay !== undefined) {
          await promote(server, underWay)
          next = answered.number + 1
        }
        const again = await askApi<Act>(
          server,
          'POST',
          '/api/v1/promotions',
          requestOf(answered.number % variants),
          `promotion ${answered.number}`,
        )
        expect(again).toEqual(answered.act!)
        if (round % 20 === 0) checkLog(join(server.data, 'catalogue.sqlite'), answered.number)
      },
    })
    console.log(`${describeKills('promotion', report)}; ${answered.number} promotions answered`)
    expect(report.inside).toBeGreaterThan(report.kills / 2)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}, 600_000)

/** The log has no gap, every act in it is recorded and told of, and every key stands for an act that happened. */
function checkLog(path: string, promotions: number): void {
  using db = new Database(path, { readonly: true })
  const rows = (sql: string) => db.query(sql).all() as Record<string, number | string>[]
  for (const { most, count, standing } of rows(
    `select max(l.version) as most, count(distinct l.version) as count, v.version as standing
     from tag_log l join channel_versions v on v.repository_id = l.repository_id and v.channel = l.channel
     where l.channel = 'stable' group by l.repository_id, v.version`,
  )) {
    expect([most, count]).toEqual([standing!, standing!])
  }
  expect(rows("select act from tag_log where channel = 'stable' and act not in (select id from acts)")).toEqual([])
  expect(rows("select id from acts where kind = 'promote' and id not in (select subject from events)")).toEqual([])
  expect(rows("select id from acts where kind = 'promote'")).toHaveLength(promotions + 1)
  expect(rows('select key from idempotency_keys')).toHaveLength(promotions + 1)
  expect(
    rows("select id from jobs where kind = 'publish' and state = 'waiting' and payload not like '%isUpkeep%'"),
  ).toHaveLength(1)
}
