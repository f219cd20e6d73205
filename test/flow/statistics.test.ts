// Pulls as real requests to a real front door: what statistics, access log and decisions say of them, and what is left of the clients'
// addresses. In one process on SQLite; and with the front door apart on PostgreSQL, where both sides are killed in the middle.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Flotilla, flotillaProgram, startFlotilla } from '../kit/flotilla.ts'
import { describeWith } from '../kit/need-tool.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres.ts'
import { mustRun, type RunningProcess, startProcess } from '../kit/process.ts'
import { waitUntil } from '../kit/wait-until.ts'

type Row = { readonly subject: string } & Readonly<Record<string, number>>

/** Each number is a network of its own: who asks twice for a blob is taken to another place the second time. */
const german = (n: number) => `88.198.${n}.77`
/** The hosts speak IPv4 only, so these are served from here. */
const american = (n: number) => `2001:4860:${n.toString(16)}::77`

const answers = ['redirects', 'manifests', 'packed', 'origin', 'streams', 'told', 'refused']
const answersOf = (row: Row) => answers.reduce((sum, name) => sum + row[name]!, 0)

async function startApart(folder: string, env: Record<string, string>) {
  const control = ['serve', 'registry', 'manager', 'worker', 'mirror', 'origin']
  const waitFor = ['registry', 'api'] as const
  const flotilla = await startFlotilla({ folder, env, args: control, waitFor })
  // The demonstration is only for the first start: its hosts go with the control plane, and the statistics need none.
  const start = (args: readonly string[], name: string) => {
    const logFile = join(folder, `${name}.log`)
    const own = name === 'control' ? { FLOTILLA_DEMO: 'false' } : {}
    return startProcess(flotillaProgram, args, { logFile, cwd: folder, env: { ...flotilla.env, ...own } })
  }
  return {
    flotilla,
    startFrontDoor: () => start(['serve', 'frontdoor'], 'front'),
    startControl: () => start(control, 'control'),
  }
}

describeWith('statistics of pulls', ['initdb', 'postgres', 'psql', 'curl'])('statistics of pulls', () => {
  describe.each(['in one process', 'with the front door apart'] as const)('%s', (shape) => {
    const folder = mkdtempSync(join(tmpdir(), 'flotilla-statistics-'))
    const logFile = join(folder, 'access.log')
    const decisions: (string | null)[] = []
    let flotilla: Flotilla
    let apart: Awaited<ReturnType<typeof startApart>> | undefined
    let postgres: PostgresServer | undefined
    let frontDoor: RunningProcess
    let control: RunningProcess
    let layer: { readonly digest: string; readonly size: number }
    let config: typeof layer
    let sent = 0

    const url = (path: string) => `${flotilla.url('frontdoor')}/v2/${path}`
    const ask = async (path: string, client: string, headers: Record<string, string> = {}, method = 'GET') => {
      const about = { method, redirect: 'manual', headers: { 'x-forwarded-for': client, ...headers } } as const
      const answer = await fetch(url(path), about)
      sent++
      decisions.push(answer.headers.get('flotilla-decision'))
      return { status: answer.status, bytes: (await answer.arrayBuffer()).byteLength, headers: answer.headers }
    }
    const rowsOf = async (by: string) => {
      const asked = ['statistics', '--by', by, '--limit', '1000']
      const { rows } = await flotilla.runJson<{ rows: readonly Row[] }>(...asked)
      return new Map(rows.map((row) => [row.subject, row]))
    }
    const counted = async () => [...(await rowsOf('country')).values()].reduce((sum, row) => sum + answersOf(row), 0)
    const settled = (what: string, atLeast = () => sent) =>
      waitUntil(async () => (await counted()) >= atLeast(), { what, limitMs: 60_000 })
    const isUp = (listener: 'frontdoor' | 'api') => {
      const isReady = async () => (await fetch(`${flotilla.url(listener)}/readyz`).catch(() => undefined))?.ok === true
      return waitUntil(isReady, { what: `${listener} is up`, limitMs: 60_000 })
    }

    beforeAll(async () => {
      const env = {
        FLOTILLA_DEMO: '1',
        FLOTILLA_TRUSTED_PROXIES: '127.0.0.1/32',
        FLOTILLA_ACCESS_LOG: 'whole',
        FLOTILLA_ACCESS_LOG_FILE: logFile,
        FLOTILLA_DECISION_HEADER: 'true',
      }
      if (shape === 'in one process') {
        flotilla = await startFlotilla({ folder, env })
        frontDoor = control = flotilla.process
      } else {
        postgres = await startPostgres()
        apart = await startApart(folder, { ...env, FLOTILLA_CATALOGUE: await postgres.createDatabase() })
        flotilla = apart.flotilla
        control = flotilla.process
        frontDoor = apart.startFrontDoor()
      }
      await isUp('frontdoor')
      const manifestAt = async (reference: string) => {
        const answer = await fetch(url(`demo/hello/manifests/${reference}`))
        sent++
        decisions.push(answer.headers.get('flotilla-decision'))
        return answer.ok ? await answer.json() : undefined
      }
      await waitUntil(async () => (await manifestAt('latest')) !== undefined, { what: 'it is served', limitMs: 60_000 })
      const top = (await manifestAt('latest')) as { manifests?: (typeof layer)[] }
      const manifest = (top.manifests ? await manifestAt(top.manifests[0]!.digest) : top) as {
        readonly config: typeof layer
        readonly layers: readonly (typeof layer)[]
      }
      config = manifest.config
      layer = manifest.layers.find(({ size }) => size > 65_536)!
      let n = 200
      const isProven = async () => (await ask(`demo/hello/blobs/${layer.digest}`, german(n++))).status === 307
      await waitUntil(isProven, { what: 'the hosts are proven', limitMs: 60_000 })
      await settled('the first requests are counted')
    })
    afterAll(async () => {
      await frontDoor?.[Symbol.asyncDispose]()
      await control?.[Symbol.asyncDispose]()
      await flotilla?.[Symbol.asyncDispose]()
      await postgres?.[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    })

    const rounds = 6
    test('every answer is in the sums of its country, repository, tag and host, with its bytes', async () => {
      const kinds = ['country', 'repository', 'tag', 'host']
      const before = await Promise.all(kinds.map(rowsOf))
      const blob = `demo/hello/blobs/${layer.digest}`
      let manifestBytes = 0
      for (let n = 0; n < rounds; n++) {
        manifestBytes += (await ask('demo/hello/manifests/latest', german(n))).bytes
        await ask('demo/hello/manifests/latest', german(n), {}, 'HEAD')
        expect((await ask(blob, german(n))).status).toBe(307)
        expect((await ask(blob, german(n), { range: 'bytes=0-99' })).status).toBe(307)
        expect(await ask(blob, american(n))).toMatchObject({ status: 200, bytes: layer.size })
        expect(await ask(blob, american(n), { range: 'bytes=5-14' })).toMatchObject({ status: 206, bytes: 10 })
        await ask(`demo/hello/blobs/${config.digest}`, american(n))
        expect((await ask(`demo/hello/blobs/sha256:${'0'.repeat(64)}`, german(n))).status).toBe(404)
        expect((await ask('nothing/here/manifests/latest', german(n))).status).toBe(404)
      }
      // A peer that is no trusted proxy is itself the client, whatever it says.
      await mustRun('curl', [
        '-sS',
        '--interface',
        '127.0.0.9',
        '-H',
        `X-Forwarded-For: ${german(1)}`,
        '-o',
        '/dev/null',
        url(blob),
      ])
      sent++
      decisions.push('skipped')
      await settled('all is counted')
      expect(await counted()).toBe(sent)
      const after = await Promise.all(kinds.map(rowsOf))
      const grown = (kind: string, subject: string) => {
        const i = kinds.indexOf(kind)
        const [old, now] = [before[i]!.get(subject), after[i]!.get(subject)!]
        const numbers = Object.entries(now).filter((pair): pair is [string, number] => typeof pair[1] === 'number')
        return Object.fromEntries(
          numbers.map(([name, value]) => [name, value - Number(old?.[name] ?? 0)]).filter(([, more]) => more),
        )
      }
      const german_ = {
        redirects: 2 * rounds,
        redirectedBytes: rounds * (layer.size + 100),
        manifests: rounds,
        manifestBytes,
        told: rounds,
        refused: 2 * rounds,
      }
      const american_ = {
        origin: 2 * rounds,
        originBytes: rounds * (layer.size + 10),
        packed: rounds,
        packedBytes: rounds * config.size,
      }
      expect(grown('country', 'DE')).toEqual(german_)
      expect(grown('country', 'US')).toEqual(american_)
      expect(grown('country', '(unknown)')).toEqual({ redirects: 1, redirectedBytes: layer.size })
      expect(grown('repository', '(unknown)')).toEqual({ refused: rounds })
      expect(grown('repository', 'demo/hello')).toEqual({
        ...german_,
        ...american_,
        redirects: 2 * rounds + 1,
        redirectedBytes: rounds * (layer.size + 100) + layer.size,
        refused: rounds,
      })
      expect(grown('tag', 'demo/hello:latest')).toEqual({ manifests: rounds, manifestBytes, told: rounds })
      const hosts = [...after[3]!.keys()].map((name) => grown('host', name))
      expect(hosts.reduce((sum, { redirects = 0 }) => sum + redirects, 0)).toBe(2 * rounds + 1)
    })

    test('names that nobody published make no row, however many', async () => {
      const rows = async () =>
        (await Promise.all(['repository', 'tag', 'host', 'country'].map(rowsOf))).map(({ size }) => size)
      const before = await rows()
      for (let n = 0; n < 500; n++) {
        await ask(`made/up-${n}/manifests/latest`, german(20))
        await ask(`demo/hello/manifests/made-up-${n}`, german(20), { host: `made-up-${n}.example.org` })
      }
      await settled('the made-up names are counted')
      expect(await rows()).toEqual(before)
      const unknown = (await rowsOf('repository')).get('(unknown)')!
      expect(unknown.refused).toBeGreaterThanOrEqual(500)
      const metrics = await (await fetch(`${flotilla.url('api')}/metrics`)).text()
      expect(metrics).not.toContain('made')
    })

    const loggedLines = (path: string) =>
      existsSync(path)
        ? readFileSync(path, 'utf8')
            .split('\n')
            .filter(Boolean)
            .map((line) => JSON.parse(line))
        : []

    test('the access log has a line for each, with the decision that the client saw', async () => {
      await waitUntil(() => loggedLines(logFile).length >= sent, { what: 'the lines are written' })
      const lines = loggedLines(logFile)
      expect(lines.length).toBe(sent)
      for (const [i, decision] of decisions.entries())
        if (decision !== 'skipped') expect(lines[i].decision).toBe(decision ?? undefined)
      expect(decisions.filter((one) => one?.startsWith('host; host=demo-'))).not.toEqual([])
      const addresses = new Set(lines.map(({ address }) => address))
      expect(addresses).toContain('88.198.1.0')
      expect(addresses).toContain('2001:4860:1::')
    })

    test('a log that was moved away goes on until the signal, and then anew', async () => {
      renameSync(logFile, `${logFile}.1`)
      frontDoor.signal('SIGUSR1')
      await ask('demo/hello/manifests/latest', german(30))
      await waitUntil(() => loggedLines(logFile).length > 0, { what: 'the new file begins' })
      expect(loggedLines(logFile).length + loggedLines(`${logFile}.1`).length).toBe(sent)
    })

    if (shape === 'in one process')
      test('metrics count by step, grade and host', async () => {
        const metrics = await (await fetch(`${flotilla.url('api')}/metrics`)).text()
        const value = (name: string) =>
          Number(
            metrics
              .split('\n')
              .find((line) => line.startsWith(`${name} `))
              ?.split(' ')[1],
          )
        expect(value('flotilla_frontdoor_answers_total{step="host"}')).toBeGreaterThan(rounds)
        expect(value('flotilla_frontdoor_answers_total{step="same"}')).toBe(rounds)
        expect(value('flotilla_frontdoor_grade_redirected_bytes_total{grade="gold"}')).toBeGreaterThan(
          rounds * layer.size,
        )
        expect(value('flotilla_access_log_dropped_total')).toBe(0)
        const ofHosts = [1, 2].map((n) => value(`flotilla_frontdoor_host_redirects_total{host="demo-${n}"}`) || 0)
        expect(ofHosts[0]! + ofHosts[1]!).toBeGreaterThan(rounds)
      })

    if (shape === 'with the front door apart')
      test('control plane and front door are killed: nothing counts twice, and no more is lost than ten seconds of the front door', async () => {
        for (let kill = 0; kill < 3; kill++) {
          for (let n = 0; n < 20; n++) await ask('demo/hello/manifests/latest', german(40 + kill))
          const spool = join(flotilla.data, 'frontdoor', new URL(flotilla.url('frontdoor')).port, 'pulls')
          const hasReport = () => existsSync(spool) && readdirSync(spool).some((name) => name.endsWith('.pulls'))
          await waitUntil(hasReport, { what: 'a report waits', limitMs: 30_000 })
          control.signal('SIGKILL')
          await control.exited
          control = apart!.startControl()
          await isUp('api')
        }
        await settled('what was counted while the control plane was gone is there')
        expect(await counted()).toBe(sent)
        const safe = sent
        for (let n = 0; n < 30; n++) await ask('demo/hello/manifests/latest', german(60))
        frontDoor.signal('SIGKILL')
        await frontDoor.exited
        frontDoor = apart!.startFrontDoor()
        await isUp('frontdoor')
        for (let n = 0; n < 10; n++) await ask('demo/hello/manifests/latest', german(61))
        await settled('the new one is counted', () => safe + 10)
        const now = await counted()
        expect(now).toBeLessThanOrEqual(sent)
        console.log(`front door killed: ${sent - now} of the last 30 answers are not counted`)
      }, 180_000)

    test('no client address is kept whole, in no file', () => {
      const files = (path: string): string[] =>
        readdirSync(path, { withFileTypes: true }).flatMap((entry) =>
          entry.isDirectory() ? files(join(path, entry.name)) : entry.isFile() ? [join(path, entry.name)] : [],
        )
      const all = files(folder).filter((path) => statSync(path).size < 50_000_000)
      expect(all).toContain(logFile)
      for (const path of all) {
        const text = readFileSync(path, 'latin1')
        for (const address of [german(1), german(20), american(1)])
          expect(`${path} ${text.includes(address)}`).toBe(`${path} false`)
      }
    })
  })
})
