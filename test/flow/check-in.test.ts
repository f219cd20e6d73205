// A volunteer with a script: a copy made by other means, on a real web server, that checks in by command, by curl and by its trace
// alone; and a volunteer who lies. Against a whole program, with a token of the host's own.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hashSecret } from '#access/secrets.ts'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { isSignedBy, parseTrace, type Trace } from '#snapshots/trace.ts'
import { checkIn } from '#stages/replicate/check-in.ts'
import { type Flotilla, flotillaProgram, startFlotilla } from '../kit/flotilla.ts'
import { makeImage, makeLayer } from '../kit/images.ts'
import { describeWith } from '../kit/need-tool.ts'
import { mustRun, runProgram } from '../kit/process.ts'
import { pushImage } from '../kit/push-image.ts'
import { runScript } from '../kit/rsync-script.ts'
import { waitUntil } from '../kit/wait-until.ts'
import { startNginx, type WebHost } from '../kit/web-hosts.ts'

type CheckIn = {
  readonly state: string
  readonly source: string
  readonly generation: number
  readonly provenGeneration?: number
  readonly reason?: string
  readonly faults?: readonly { readonly came: string }[]
}

const page = readFileSync(join(import.meta.dir, '../../docs/run-a-host.md'), 'utf8')
const blockWith = (words: string) =>
  [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, text]) => text!).find((text) => text.includes(words))!

describeWith('check-ins', ['nginx', 'curl', 'openssl', 'rsync'])('check-ins of volunteers', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-check-in-'))
  chmodSync(folder, 0o755)
  let flotilla: Flotilla
  const hosts = new Map<string, WebHost>()
  const tokens = new Map<string, string>()
  let generation = 1

  beforeAll(async () => {
    // Crawls come by check-ins here, not by themselves.
    const env = { FLOTILLA_ALLOW_PRIVATE_HOSTS: 'true', FLOTILLA_CRAWL_INTERVAL: '1h', FLOTILLA_MAX_CHECK_INS: '8' }
    flotilla = await startFlotilla({ folder, env })
    await publish('1')
    for (const [i, name] of ['honest.test', 'lying.test'].entries()) {
      const host = await startNginx({ folder: join(folder, name), address: `127.0.0.${60 + i}` })
      hosts.set(name, host)
      copyTo(host)
      const added = await flotilla.run('host', 'add', name, '--url', host.url)
      expect(added).toContain(`flotilla token create --host ${name}`)
      const made = await flotilla.runJson<{ name: string; secret: string }>('token', 'create', '--host', name)
      tokens.set(name, `${made.name}@${made.secret}`)
      await holds(name, generation)
    }
  }, 120_000)
  afterAll(async () => {
    await flotilla?.[Symbol.asyncDispose]()
    for (const host of hosts.values()) await host[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  async function publish(tag: string): Promise<void> {
    const secret = readFileSync(join(flotilla.data, 'keys/builder-token'), 'utf8').trim()
    const registry = { registry: flotilla.url('registry'), user: 'builder', secret }
    await pushImage(registry, 'team/app', tag, makeImage([makeLayer(200 * 1024)]))
    await flotilla.run('promote', `team/app:${tag}`, '--to', 'stable')
    await flotilla.run('publish', '--now')
    generation = (await flotilla.runJson<{ generation: number }[]>('generation', 'list'))[0]!.generation
  }

  const published = () => join(flotilla.data, 'tree/stable')
  /** As rsync would, from the published tree. */
  function copyTo({ tree }: WebHost, ...parts: string[]): void {
    for (const part of parts.length > 0 ? parts : readdirSync(published()))
      cpSync(join(published(), part), join(tree, part), { recursive: true })
  }
  const showHost = (name: string) =>
    flotilla.runJson<{ presence?: { generation: number; missing: number }; lastCheckIn?: CheckIn }>(
      'host',
      'show',
      name,
    )
  const holds = (name: string, wanted: number) =>
    waitUntil(async () => (await showHost(name)).presence?.generation === wanted, {
      what: `${name} holds ${wanted}`,
      everyMs: 100,
    })
  /** On the volunteer's machine, which knows its token only. */
  const asHost = (name: string, words: readonly string[], token = tokens.get(name)!) =>
    runProgram(flotillaProgram, words, {
      cwd: folder,
      env: { HOME: folder, FLOTILLA_API_URL: flotilla.url('api'), FLOTILLA_TOKEN: token },
    })
  const placed = (): unknown =>
    JSON.parse(readFileSync(join(flotilla.data, 'snapshots/stable/placement.json'), 'utf8')).hosts
  const listed = async (name: string) => {
    const answer = await fetch(`${flotilla.url('api')}/api/v1/hosts/${name}/check-ins`, {
      headers: { authorization: `Bearer ${tokens.get(name)}` },
    })
    expect(answer.status).toBe(200)
    return ((await answer.json()) as { checkIns: CheckIn[] }).checkIns
  }

  test('an honest one is accepted, and its trace is signed', async () => {
    await publish('2')
    const host = hosts.get('honest.test')!
    copyTo(host)
    const words = ['check-in', '--host', 'honest.test', '--tree', host.tree, '--wait', '--json']
    const { code, stdout, stderr } = await asHost('honest.test', words)
    expect([code, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toMatchObject({
      state: 'accepted',
      generation,
      provenGeneration: generation,
      source: 'api',
    })
    expect((await showHost('honest.test')).presence).toMatchObject({ generation, missing: 0 })
    const trace = JSON.parse(readFileSync(join(host.tree, 'trace/honest.test'), 'utf8'))
    expect(trace).toMatchObject({ channel: 'stable', generation, signature: { tokenId: 'honest.test' } })
    const again = await asHost('honest.test', words)
    expect([again.code, JSON.parse(again.stdout).at]).toEqual([0, JSON.parse(stdout).at])
    expect(await flotilla.run('host', 'show', 'honest.test')).toMatch(
      new RegExp(`check-in {2}generation ${generation}, by api, .*: accepted: every blob`),
    )
  })

  test('a lying one is refused with the evidence, and nobody is sent there by it', async () => {
    const host = hosts.get('lying.test')!
    copyTo(host, 'lists', 'catalogue', 'metadata')
    const before = placed()
    const words = ['check-in', 'lying.test', '--tree', host.tree, '--wait']
    const { code, stdout } = await asHost('lying.test', words)
    expect(code).toBe(1)
    expect(stdout).toContain(`generation ${generation} of stable at lying.test is refused: lacking: 1 blob`)
    expect(stdout).toContain('status 404')
    const [first] = await listed('lying.test')
    expect(first).toMatchObject({
      state: 'refused',
      provenGeneration: generation - 1,
      faults: [{ came: 'status 404' }],
    })
    const news = placed() as { name: string; generation: number; missing: string[] }[]
    const lying = (hosts: unknown) => (hosts as typeof news).find((one) => one.name === 'lying.test')!
    // The crawl went over the new generation, and the blob that it brought is an exception: nothing more can be asked of the host.
    expect(lying(before)).toMatchObject({ generation: generation - 1, missing: [] })
    expect(lying(news)).toMatchObject({ generation, missing: [expect.stringContaining('sha256:')] })
    const { events } = (await (
      await fetch(`${flotilla.url('api')}/api/v1/events?limit=1000`, {
        headers: { authorization: `Bearer ${readFileSync(join(flotilla.data, 'keys/admin-token'), 'utf8').trim()}` },
      })
    ).json()) as { events: { type: string; subject: string }[] }
    const told = events.filter((one) => one.type.startsWith('host.check-in.'))
    expect(told.map((one) => [one.type, one.subject])).toContainEqual(['host.check-in.refused', 'lying.test'])
    copyTo(host)
    const good = await asHost('lying.test', words)
    expect([good.code, good.stdout]).toEqual([0, expect.stringContaining('is accepted')])
  })

  test('the line of curl in the documentation does the same', async () => {
    await publish('3')
    copyTo(hosts.get('honest.test')!)
    const text = blockWith('curl -fsS "$FLOTILLA_API_URL')
      .replaceAll('mirror.example.org', 'honest.test')
      .replace(/"generation": \d+/, `"generation": ${generation}`)
    const env = {
      FLOTILLA_API_URL: flotilla.url('api'),
      FLOTILLA_TOKEN: tokens.get('honest.test')!,
      PATH: process.env.PATH!,
    }
    expect(JSON.parse(await mustRun('sh', ['-euc', text], { env }))).toMatchObject({ checkIn: { state: 'claimed' } })
    await waitUntil(async () => (await listed('honest.test'))[0]?.state === 'accepted', { what: 'accepted' })
    await holds('honest.test', generation)
  })

  test.each([
    [
      'the command',
      async (tree: string) => {
        const words = ['check-in', '--host', 'honest.test', '--tree', tree, '--trace-only']
        expect(await asHost('honest.test', words)).toMatchObject({ code: 0, stderr: '' })
      },
    ],
    [
      'the shell of the documentation',
      async (tree: string) => {
        const text = blockWith('openssl dgst')
          .replaceAll('mirror.example.org', 'honest.test')
          .replaceAll('/srv/flotilla', tree)
          .replace(/^generation=.*$/m, `generation=${generation}`)
        await mustRun('sh', ['-euc', text], {
          env: { FLOTILLA_TOKEN: tokens.get('honest.test')!, PATH: process.env.PATH! },
        })
      },
    ],
  ] as const)('a trace that %s signed is enough, where the API cannot be called', async (_, sign) => {
    await publish(`by-trace-${generation}`)
    const host = hosts.get('honest.test')!
    copyTo(host)
    await sign(host.tree)
    await flotilla.run('host', 'check', 'honest.test')
    expect((await listed('honest.test'))[0]).toMatchObject({ source: 'trace', state: 'accepted', generation })
    expect(await flotilla.run('host', 'show', 'honest.test')).toContain(`trace  generation ${generation}, signed: `)
  })

  test('what replicate calls signs, tells, and never throws', async () => {
    const { tree } = hosts.get('honest.test')!
    await using client = new OutboundClient({ allowPrivate: true, userAgent: 'test/1' })
    const tools = { client, now: Date.now, software: 'test/1' }
    const copy = { folder: tree, host: 'honest.test', channel: 'stable', generation }
    const token = tokens.get('honest.test')!
    const url = flotilla.url('api')
    expect(await checkIn(copy, { url, token }, tools)).toEqual({ outcome: 'sent', state: 'accepted', isNew: false })
    expect(await checkIn({ ...copy, generation: 999 }, { url, token }, tools)).toMatchObject({
      outcome: 'refused',
      status: 409,
      reason: expect.stringContaining('generation 999 of stable cannot be complete'),
    })
    expect(await checkIn({ ...copy, host: 'lying.test' }, { url, token }, tools)).toMatchObject({
      outcome: 'refused',
      status: 403,
    })
    rmSync(join(tree, 'trace/lying.test'))
    expect(await checkIn(copy, { url, token: 'secret' }, tools)).toMatchObject({ outcome: 'refused', status: 401 })
    const nowhere = await checkIn(copy, { url: 'http://127.0.0.1:1', token }, tools)
    expect(nowhere).toMatchObject({ outcome: 'failed', retryAfterMs: 60_000 })
    const noFolder = { ...copy, folder: join(folder, 'honest.test/nginx.conf') }
    expect(await checkIn(noFolder, { url, token }, tools)).toMatchObject({ outcome: 'failed' })
  })

  describe('refused at once', () => {
    const tree = () => hosts.get('honest.test')!.tree
    const cases: readonly (readonly [string, () => string[], RegExp])[] = [
      [
        'for another host',
        () => ['check-in', '--host', 'lying.test', '--generation', '1'],
        /may not check-in for the host lying\.test/,
      ],
      [
        'for a host that is not there',
        () => ['check-in', 'nobody.test', '--generation', '1'],
        /no host "nobody\.test"/,
      ],
      [
        'for what is not published',
        () => ['check-in', 'honest.test', '--generation', '999'],
        /generation 999 of stable cannot be complete/,
      ],
      [
        'for a folder that is not there',
        () => ['check-in', 'honest.test', '--tree', `${tree()}/x`],
        /there is no folder/,
      ],
      [
        'for a folder that says nothing',
        () => ['check-in', 'honest.test', '--tree', `${tree()}/lists`],
        /neither metadata nor a trace/,
      ],
    ]
    test.each(cases)('%s', async (_, words, message) => {
      const { code, stdout, stderr } = await asHost('honest.test', words())
      expect([code, stdout, stderr]).toEqual([1, '', expect.stringMatching(message)])
    })

    test('without a token that can sign, where only the trace is to be written', async () => {
      const words = ['check-in', 'honest.test', '--tree', tree(), '--trace-only']
      const trace = () => readFileSync(join(tree(), 'trace/honest.test'), 'utf8')
      const before = trace()
      const { code, stderr } = await asHost('honest.test', words, 'an-admin-token-without-a-name')
      expect(trace()).toBe(before)
      expect([code, stderr]).toEqual([1, expect.stringContaining('flotilla token create --host')])
    })
  })

  test('the rsync script signs its trace and checks in by itself, once', async () => {
    await publish('script')
    const { tree } = hosts.get('honest.test')!
    const tokenFile = join(folder, 'honest.token')
    writeFileSync(tokenFile, `${tokens.get('honest.test')}\n`, { mode: 0o600 })
    const env = { FLOTILLA_CHECK_IN: flotilla.url('api'), FLOTILLA_TOKEN_FILE: tokenFile }
    const run = () => runScript([published(), tree, 'honest.test'], { env })
    expect(await run()).toMatchObject({ code: 0, stderr: '' })
    await waitUntil(async () => (await listed('honest.test'))[0]?.state === 'accepted', { what: 'acceptance' })
    const [newest, before] = await listed('honest.test')
    expect(newest).toMatchObject({ generation, source: 'api' })
    expect(before!.generation).toBeLessThan(generation)
    const trace = parseTrace(readFileSync(join(tree, 'trace/honest.test'))) as Trace
    const secret = tokens.get('honest.test')!.split('@')[1]!
    expect(isSignedBy(trace, hashSecret(secret))).toBe(true)
    expect(await run()).toEqual({ code: 0, stderr: '', stdout: '' })
    const told = await runScript(['--check', published(), tree, 'honest.test'], {
      env: { ...env, FLOTILLA_CHECK_IN: 'http://127.0.0.1:1' },
    })
    expect(told).toMatchObject({ code: 0, stderr: expect.stringContaining('the next run tries again') })
  })

  test('a flood is told to wait, a revoked token opens nothing and signs nothing', async () => {
    const said: number[] = []
    for (let i = 0; i < 9; i++) {
      const { code, stderr } = await asHost('lying.test', [
        'check-in',
        'lying.test',
        '--generation',
        String(1 + (i % 2)),
      ])
      said.push(code)
      if (code !== 0) expect(stderr).toContain('within an hour')
    }
    expect(said.slice(0, 2)).toEqual([0, 0])
    expect(said.at(-1)).toBe(1)
    await flotilla.run('token', 'revoke', 'honest.test')
    const { code, stderr } = await asHost('honest.test', ['check-in', 'honest.test', '--generation', '1'])
    expect([code, stderr]).toEqual([1, expect.stringContaining('Bearer')])
    await flotilla.run('host', 'check', 'honest.test')
    expect(await flotilla.run('host', 'show', 'honest.test')).toContain('refused: the token honest.test is revoked')
  })

  test('a trace that is no trace is shown for what it is, and the host goes on', async () => {
    const host = hosts.get('lying.test')!
    writeFileSync(join(host.tree, 'trace/lying.test'), '<html>')
    await flotilla.run('host', 'check', 'lying.test')
    expect(await flotilla.run('host', 'show', 'lying.test')).toContain('trace  refused: it is no JSON object')
  })
})
