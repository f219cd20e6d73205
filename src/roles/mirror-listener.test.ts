import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { type Config, makeConfig } from '#config/config.ts'
import { loadSettings } from '#config/load-config.ts'
import { findFreePort } from '../../test/kit/free-port.ts'
import { findMirrorListener, startMirrorListener } from './mirror-listener.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mirror-listener-'))
})
afterAll(() => rm(folder, { recursive: true }))

const configOf = (flags: Parameters<typeof loadSettings>[0]['flags']) =>
  makeConfig(loadSettings({ flags: { data: folder, ...flags }, environment: {}, folder }).settings)
const parts = () => ({ folder, takeEvidence: () => undefined, takePulls: async () => undefined })

/** A log that tells what it was told. */
function logOf() {
  const lines: string[] = []
  return { lines, log: pino({ level: 'warn' }, { write: (line) => void lines.push(line) }) }
}

const takenPort = async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as { port: number }).port, free: () => server.close() }
}

test('where another program has the port that nobody chose, it is left out with a warning', async () => {
  const { port, free } = await takenPort()
  const { log, lines } = logOf()
  const config: Config = { ...configOf({}), listen: { ...configOf({}).listen, mirror: { host: '127.0.0.1', port } } }
  expect(await startMirrorListener(config, log, parts())).toBeUndefined()
  expect(await findMirrorListener(config)).toBeUndefined()
  expect(lines.join()).toMatch(/another program listens on .* mirror-listen chooses another address/)
  free()
})

test('a port that was chosen and is taken ends the start', async () => {
  const { port, free } = await takenPort()
  const config = configOf({ mirrorListen: `127.0.0.1:${port}` })
  await expect(startMirrorListener(config, logOf().log, parts())).rejects.toThrow(/port|EADDRINUSE/i)
  free()
})

test('where strangers could listen in without TLS, it says so; nobody is let in without the key either way', async () => {
  const { log, lines } = logOf()
  const config = configOf({ mirrorListen: `0.0.0.0:${await findFreePort('0.0.0.0')}` })
  const listener = (await startMirrorListener(config, log, parts()))!
  expect(lines.join()).toMatch(/speaks plain http: .* set tls-cert/)
  expect((await fetch(`http://127.0.0.1:${listener.port}/snapshots/health.json`)).status).toBe(401)
  expect((await fetch(`http://127.0.0.1:${listener.port}/livez`)).status).toBe(200)
  await listener.stop(0)
})

test.each([
  ['127.0.0.1', 'http://127.0.0.1'],
  ['0.0.0.0', 'http://127.0.0.1'],
  ['[::]', 'http://[::1]'],
])('on %s and whatever port it is found by front doors that share the data folder', async (host, url) => {
  const config = configOf({ mirrorListen: `${host}:0` })
  const listener = (await startMirrorListener(config, logOf().log, parts()))!
  expect(await findMirrorListener(config)).toBe(`${url}:${listener.port}`)
  expect((await fetch(`${url}:${listener.port}/livez`)).status).toBe(200)
  await listener.stop(0)
})
