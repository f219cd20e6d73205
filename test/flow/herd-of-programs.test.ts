// The rush after a publication with the very programs that volunteers run: `flotilla replicate --every` waits for the origin's word,
// copies from where it is sent, checks in, and is an upstream of the others once it is proven.

import { expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { flotillaProgram, startFlotilla } from '../kit/flotilla.ts'
import { adminToken, askApi } from '../kit/flotilla-client.ts'
import { makeImage, makeLayer } from '../kit/images.ts'
import { startProcess } from '../kit/process.ts'
import { pushImage } from '../kit/push-image.ts'
import { blobsIn, traceGeneration } from '../kit/rsync-script.ts'
import { startTreeOrigin } from '../kit/tree-origin.ts'
import { waitUntil } from '../kit/wait-until.ts'

const hosts = Array.from({ length: 10 }, (_, n) => `host-${n}`)
const layers = 6
const layerBytes = 300_000

test('ten hosts copy a generation: a few from the origin, the rest from each other', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'herd-of-programs-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const flotilla = stack.use(
    await startFlotilla({
      folder,
      env: {
        FLOTILLA_ADMIN_TOKEN: adminToken,
        FLOTILLA_ALLOW_PRIVATE_HOSTS: 'true',
        FLOTILLA_ORIGIN_SEEDS: '2',
        FLOTILLA_ORIGIN_WAVE: '1s',
        FLOTILLA_ORIGIN_HEAD_START: '0s',
      },
    }),
  )
  await flotilla.run('publish', '--now')
  for (const name of hosts) {
    const to = join(folder, name)
    mkdirSync(to)
    const server = startTreeOrigin(to)
    stack.defer(() => server.listener.stop(0))
    await askApi(flotilla, 'POST', '/api/v1/hosts', { name, urls: [server.url], grade: 'proven', bandwidthMbps: 1000 })
    const made = await flotilla.runJson<{ name: string; secret: string }>('token', 'create', '--host', name)
    writeFileSync(join(folder, `${name}.token`), `${made.name}@${made.secret}`)
    const where = [
      '--from',
      flotilla.url('origin'),
      '--to',
      to,
      '--name',
      name,
      '--min-free',
      '0',
      '--every',
      '1h',
      '--allow-private',
    ]
    const told = ['--check-in', flotilla.url('api'), '--token-file', join(folder, `${name}.token`), '--log', 'json']
    const logFile = join(folder, `${name}.log`)
    stack.use(startProcess(flotillaProgram, ['replicate', ...where, ...told], { logFile, env: flotilla.env }))
  }
  const allHave = async (generation: number) => {
    const traces = await Promise.all(hosts.map((name) => traceGeneration(join(folder, name), name)))
    return traces.every((trace) => trace === generation)
  }
  await waitUntil(() => allHave(1), { what: 'all have the empty generation', limitMs: 60_000 })

  const image = makeImage(Array.from({ length: layers }, (_, n) => makeLayer(layerBytes, `layer-${n}`)))
  const target = { registry: flotilla.url('registry'), user: 'admin', secret: adminToken }
  await pushImage(target, 'herd/image', 'latest', image)
  await flotilla.run('promote', 'herd/image:latest', '--to', 'stable')
  await flotilla.run('publish', '--now')
  // Nobody polls within the hour: it is the origin's word that makes them copy.
  await waitUntil(() => allHave(2), { what: 'all have the image', limitMs: 120_000 })

  const wanted = image.layers.map(({ digest }) => digest).sort()
  for (const name of hosts) expect([name, await blobsIn(join(folder, name))]).toEqual([name, wanted as never])
  const metrics = await (await fetch(`${flotilla.url('api')}/metrics`)).text()
  const sends = Number(/^flotilla_origin_replica_sends\S* (\d+)$/m.exec(metrics)![1])
  const redirects = Number(/^flotilla_origin_replica_redirects\S* (\d+)$/m.exec(metrics)![1])
  expect(sends).toBeGreaterThanOrEqual(layers)
  expect(sends).toBeLessThanOrEqual(4 * layers)
  expect(redirects).toBeGreaterThanOrEqual((hosts.length - 4) * layers)
  expect(await readFile(join(folder, `${hosts[0]}.log`), 'utf8')).toContain('"event":"end"')
}, 240_000)
