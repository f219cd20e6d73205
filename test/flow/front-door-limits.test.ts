// The options of the front door's listener reach it: PROXY headers, and how much one client may have.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Flotilla, flotillaProgram, startFlotilla } from '../kit/flotilla.ts'
import { runProgram } from '../kit/process.ts'
import { waitUntil } from '../kit/wait-until.ts'
import { openWire, type WireAnswer } from '../kit/wire.ts'

const folder = mkdtempSync(join(tmpdir(), 'front-limits-'))
let flotilla: Flotilla
beforeAll(async () => {
  flotilla = await startFlotilla({
    folder,
    env: {
      FLOTILLA_FRONTDOOR_PROXY_PROTOCOL: 'on',
      FLOTILLA_TRUSTED_PROXIES: '127.0.0.1',
      FLOTILLA_FRONTDOOR_MAX_CONNECTIONS_PER_CLIENT: '1',
      FLOTILLA_FRONTDOOR_MAX_HEAD_BYTES: '1KiB',
      FLOTILLA_FRONTDOOR_HEADER_TIMEOUT: '500ms',
    },
    waitFor: ['registry', 'api', 'origin'],
  })
})
afterAll(async () => {
  await flotilla[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

const port = () => Number(flotilla.address('frontdoor').split(':')[1])
const get = (...lines: string[]) => ['GET /v2/ HTTP/1.1', 'Host: x', ...lines, '', ''].join('\r\n')
const from = (client: string) => `PROXY TCP4 ${client} 192.0.2.1 1 2\r\n`

async function answerTo(bytes: string): Promise<WireAnswer> {
  await using wire = await openWire({ port: port() })
  await wire.send(bytes)
  return await wire.receive()
}

test('a trusted proxy must name its client, and one client has one connection', async () => {
  const refused = await answerTo(get())
  expect([refused.status, refused.body.toString()]).toEqual([400, expect.stringContaining('send-proxy-v2')])
  await waitUntil(() => flotilla.process.output().includes('a connection of the proxy 127.0.0.1 was refused'), {
    what: 'a line in the log',
  })
  await using wire = await openWire({ port: port() })
  await wire.send(from('198.51.100.7') + get())
  expect((await wire.receive()).status).toBe(200)
  expect((await answerTo(from('198.51.100.8') + get())).status).toBe(503)
  expect((await answerTo(from('198.51.101.8') + get())).status).toBe(200)
})

test('heads are bounded in size and time', async () => {
  expect((await answerTo(from('192.0.2.9') + get(`X: ${'a'.repeat(2000)}`))).status).toBe(431)
  expect((await answerTo(`${from('192.0.3.9')}GET /v2/ `)).status).toBe(408)
})

test('a start with TLS of our own and PROXY headers is refused, with what to do', async () => {
  const env = { ...flotilla.env, FLOTILLA_DATA: join(folder, 'other'), FLOTILLA_TLS_CERT: 'a', FLOTILLA_TLS_KEY: 'b' }
  const { code, stderr } = await runProgram(flotillaProgram, ['up'], { env, cwd: folder })
  expect(code).not.toBe(0)
  expect(stderr).toContain('Let the proxy end TLS and leave tls-cert out')
})
