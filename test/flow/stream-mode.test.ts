// Stream mode as an operator turns it on, with the whole program; and a front door without layers of its own beside the real origin.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { answerFront } from '#stages/redirect/answer-front.ts'
import { brokenBodies, startBreakingHost } from '../kit/breaking-host.ts'
import { startFlotilla } from '../kit/flotilla.ts'
import { bodyOf, digestOf, layer, makeAsk, openFront, placed } from '../kit/front-door.ts'
import { openOrigin } from '../kit/origin-role.ts'
import { waitUntil } from '../kit/wait-until.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stream-flow-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

type Manifest = { readonly layers: readonly { readonly digest: string; readonly size: number }[] }

test('by a table of classes: the named client gets its layer through the front door, others are redirected', async () => {
  const policy = join(folder, 'clients.json')
  await writeFile(policy, JSON.stringify([{ product: 'oras', kind: 'fragile', mode: 'stream' }]))
  const env = { FLOTILLA_DEMO: '1', FLOTILLA_CLIENT_POLICY: policy }
  await using flotilla = await startFlotilla({ folder, env })
  const repository = `${flotilla.url('frontdoor')}/v2/demo/hello`
  const accept = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = await waitUntil(
    async () => {
      const answer = await fetch(`${repository}/manifests/latest`, { headers: { accept } })
      return answer.ok && ((await answer.json()) as Manifest)
    },
    { what: 'the sample image is published' },
  )
  const { digest, size } = manifest.layers.find((one) => one.size >= 65_536)!
  const get = (agent: string) =>
    fetch(`${repository}/blobs/${digest}`, { headers: { 'user-agent': agent }, redirect: 'manual' })
  await waitUntil(async () => (await get('docker/28.5.2')).status === 307, { what: 'a host is proven' })
  const answer = await get('oras/1.3.3')
  expect([answer.status, answer.headers.get('content-length')]).toEqual([200, String(size)])
  const bytes = Buffer.from(await answer.arrayBuffer())
  expect(`sha256:${createHash('sha256').update(bytes).digest('hex')}`).toBe(digest)
  const metrics = await (await fetch(`${flotilla.url('api')}/metrics`)).text()
  expect(metrics).toMatch(/^flotilla_frontdoor_streams_total 1$/m)
  expect(metrics).toMatch(new RegExp(`^flotilla_frontdoor_streamed_bytes_total ${size}$`, 'm'))
  expect(metrics).toMatch(/^flotilla_frontdoor_origin_waiting 0$/m)
})

test('where a host breaks and no layer lies here, the origin takes the front door for the user that it reads for', async () => {
  await using host = await startBreakingHost(layer, brokenBodies['ends midway']!)
  await using origin = await openOrigin(join(folder, 'origin'))
  await origin.tree.add(layer)
  await origin.publish()
  const { front, fleet } = await openFront(folder, {
    options: { originUrl: origin.url, clientRules: [{ product: '*', kind: 'normal', mode: 'stream' }] },
    parts: { openBlob: undefined, ticketKey: origin.ticketKey, now: Date.now },
  })
  fleet([placed(1, host.url)], {}, Date.now())
  const asked = makeAsk(`/v2/fedora/base/blobs/${digestOf(layer)}`, { 'x-forwarded-for': '192.0.2.7' })
  expect((await bodyOf(await answerFront(asked, front))).equals(layer)).toBe(true)
  expect(front.counters.streamsFromOrigin).toBe(1)
  expect(origin.counters).toMatchObject({ userBlobs: 1, replicaSends: 0 })
})
