import { afterAll, beforeAll, expect, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** More than a pipe takes at once. */
const candidates = Array.from({ length: 20_000 }, (_, i) => ({ repository: `repository-${i}`, tag: 'latest' }))
const server = createServer((_, response) => {
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ candidates }))
})
beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve())))
afterAll(() => void server.close())

type Ended = { readonly code: number | null; readonly output: string; readonly errors: string }

function run(...words: string[]): Promise<Ended> {
  const { port } = server.address() as AddressInfo
  const child = spawn(process.execPath, [join(import.meta.dir, 'main.ts'), ...words], {
    env: { PATH: process.env.PATH, FLOTILLA_API_URL: `http://127.0.0.1:${port}`, FLOTILLA_TOKEN: 'any' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [output, errors] = ['', '']
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output, errors }))
  })
}

test('all that was printed arrives, however much it is', async () => {
  const { code, output } = await run('candidate', 'list', '--json')
  expect([code, JSON.parse(output)]).toEqual([0, candidates])
})

test('a port that is taken is named', async () => {
  const taken = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const data = await mkdtemp(join(tmpdir(), 'flotilla-taken-'))
  const { code, errors } = await run('serve', 'frontdoor', '--data', data, '--frontdoor-listen', taken)
  await rm(data, { recursive: true })
  expect([code, errors]).toEqual([1, expect.stringContaining(`in use already: ${taken}`)])
})

const usage: readonly (readonly string[])[] = [
  ['nonsense'],
  ['promote'],
  ['rollback'],
  ['rollback', 'a', '--generation', '1'],
  ['generation', 'show', 'x'],
  ['explain', '--ip', '192.0.2.1'],
  ['host', 'list', '--limit', 'x'],
  ['token', 'create'],
  ['token', 'create', 'a'],
  ['check-in'],
  ['check-in', '--trace-only', '--generation', '1'],
  ['check-in', '--tree', '.', '--trace-only', '--wait'],
  ['check-in', 'a.test', '--host', 'b.test', '--generation', '1'],
  ['check-in', '--generation', '0'],
  ['check-in', '--generation', 'x'],
]
test.each(usage.map((words) => [words.join(' '), words] as const))('wrong usage ends with 2: %s', async (_, words) => {
  const { code, output, errors } = await run(...words)
  expect([code, output]).toEqual([2, ''])
  expect(errors).toContain('error: ')
})

const placesOfJson: readonly (readonly string[])[] = [
  ['rsyncd-config', '--json', '--folder', '/srv/tree'],
  ['--json', 'rsyncd-config', '--folder', '/srv/tree'],
]
test.each(placesOfJson.map((words) => [words.join(' '), words] as const))('as JSON: %s', async (_, words) => {
  const { code, output } = await run(...words)
  expect([code, JSON.parse(output)]).toEqual([0, { module: 'flotilla', config: expect.stringContaining('/srv/tree') }])
})
