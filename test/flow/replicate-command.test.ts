// The command as cron, systemd and an admin meet it: exit codes, events, hooks, windows, a clock that is wrong, and staying on.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeSecret } from '#access/secrets.ts'
import { makeFolder } from '#kit/atomic-file.ts'
import { firstRootPath } from '#snapshots/tree-contents.ts'
import { fingerprintOf } from '#stages/replicate/first-root.ts'
import { describeWith, unlessRoot } from '../kit/need-tool.ts'
import { mustRun, runProgram, startProcess } from '../kit/process.ts'
import { PublishedTree } from '../kit/published-tree.ts'
import { readContents } from '../kit/read-contents.ts'
import { getTool } from '../kit/tool.ts'
import { startTreeOrigin, type TreeOrigin } from '../kit/tree-origin.ts'
import { waitUntil } from '../kit/wait-until.ts'

const program = join(import.meta.dir, '../../src/cli/main.ts')

let root: string
let to: string
let tree: PublishedTree
let origin: TreeOrigin
let count = 0

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'replicate-command-'))
  tree = await PublishedTree.make(join(root, 'tree'), join(root, 'keys'))
  for (let n = 0; n < 3; n++) await addBlob()
  await tree.publish()
  origin = startTreeOrigin(tree.folder)
})
afterAll(async () => {
  await origin.listener.stop(100)
  await rm(root, { recursive: true })
})
afterEach(() => {
  origin.interfere = () => undefined
  origin.forget()
})

const addBlob = () => tree.add(crypto.getRandomValues(new Uint8Array(60_000)))

function argumentsOf(...more: string[]): string[] {
  return [program, 'replicate', '--from', origin.url, '--to', to, '--name', 'host', '--min-free', '0', ...more]
}

function run(...more: string[]) {
  return runProgram(process.execPath, argumentsOf(...more))
}

function newFolder(): void {
  to = join(root, `copy-${++count}`)
}

/** A window that has just ended. */
function pastWindow(): string {
  const clock = (ms: number) => new Date(Date.now() + ms).toTimeString().slice(0, 5)
  return `${clock(-2 * 3_600_000)}-${clock(-3_600_000)}`
}

describe('one run', () => {
  test('prints what it did, whom it believed, and one line of JSON if asked', async () => {
    newFolder()
    const root1 = fingerprintOf(await readFile(join(tree.folder, firstRootPath)))
    const first = await run()
    expect(first).toMatchObject({ code: 0, stdout: expect.stringContaining('stable generation 1: 5 files with') })
    expect(first.stderr).toContain(`believed about its root, ${root1}`)
    const second = await run('--json', '--root', root1)
    expect(second).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(second.stdout)).toMatchObject({ outcome: 'unchanged', generation: 1, liars: [] })
  })

  test.each<[string, () => string[]]>([
    ['a root file', () => ['--root', join(tree.folder, firstRootPath)]],
    ['another fingerprint', () => ['--root', `sha256:${'0'.repeat(64)}`]],
    ['a file that is no root', () => ['--root', program]],
  ])('--root: %s', async (name, options) => {
    newFolder()
    const { code, stderr } = await run(...options())
    expect([code, stderr]).toEqual(name === 'a root file' ? [0, ''] : [3, expect.stringMatching(/root/)])
  })

  test('--log json tells each event in a line', async () => {
    newFolder()
    const { code, stderr } = await run('--log', 'json', '--quiet')
    expect(code).toBe(0)
    const events = stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(events.map((one) => one.event)).toEqual(['start', 'generation', 'believed', ...Array(5).fill('file'), 'end'])
    expect(events.at(-1)).toMatchObject({ outcome: 'updated', time: expect.stringContaining('T') })
  })

  test('outside of its windows fetches no blob and ends with 75; what is unchanged needs none', async () => {
    newFolder()
    const closed = await run('--window', pastWindow())
    expect(closed).toMatchObject({ code: 75, stderr: expect.stringContaining('the next one begins at') })
    expect(origin.asked.filter((one) => one.includes('/blobs/'))).toEqual([])
    expect((await run('--window', pastWindow(), '--window', '00:00-24:00/50MiB')).code).toBe(0)
    expect((await run('--window', pastWindow())).code).toBe(0)
    newFolder()
    expect((await run('--window', pastWindow(), '--outside-rate', '50MiB')).code).toBe(0)
  })

  test('--min-free that is not there ends with 4', async () => {
    newFolder()
    expect(await run('--min-free', '900T')).toMatchObject({ code: 4, stderr: expect.stringContaining('to stay free') })
  })

  test.each<[string[]]>([
    [['--window', '22:00']],
    [['--window', '22:00-06:00/1KiB']],
    [['--platform', 'amd64']],
    [['--proxy', 'socks5://x']],
    [['--check-in', 'https://api.example.org']],
    [['-4', '-6']],
  ])('wrong usage is 2: %j', async (args) => {
    expect(await run(...args)).toMatchObject({ code: 2, stderr: expect.stringContaining('error:') })
  })

  test('-4 and -6 speak that family only', async () => {
    newFolder()
    expect(await run('-6')).toMatchObject({ code: 1, stderr: expect.stringContaining('has no IPv6 address') })
    expect((await run('-4')).code).toBe(0)
  })
})

describe('hooks', () => {
  const told = () => `echo "$FLOTILLA_CHANNEL $FLOTILLA_GENERATION $FLOTILLA_OUTCOME $FLOTILLA_TO" >> '${to}.told'`
  const lines = async () => (await readFile(`${to}.told`, 'utf8').catch(() => '')).trimEnd().split('\n')

  test('run after an update and after a failure, and not else', async () => {
    newFolder()
    const hooks = ['--on-update', told(), '--on-failure', told()]
    expect((await run(...hooks)).code).toBe(0)
    expect((await run(...hooks)).code).toBe(0)
    expect(await lines()).toEqual([`stable ${tree.generation} updated ${to}`])
    expect((await run(...hooks, '--root', `sha256:${'1'.repeat(64)}`)).code).toBe(3)
    expect(await lines()).toEqual([`stable ${tree.generation} updated ${to}`, `  untrusted ${to}`])
  })

  test('one that fails or takes too long is told of; the copy stands', async () => {
    newFolder()
    expect(await run('--on-update', 'exit 7')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('ended with 7'),
    })
    expect((await readContents(to)).generation).toBe(tree.generation)
    newFolder()
    const late = await run('--on-update', 'sleep 600 & sleep 600', '--hook-time', '1s')
    expect(late).toMatchObject({ code: 1, stderr: expect.stringContaining('ended after 1 s') })
  })
})

describeWith('a clock that is wrong', ['faketime'])('a clock that is wrong', () => {
  const runAt = (days: number) =>
    runProgram(getTool('faketime'), ['-f', `${days > 0 ? '+' : ''}${days}d`, process.execPath, ...argumentsOf()])

  test('by a year, forward or back, is told in words, and the copy stays', async () => {
    newFolder()
    expect((await run()).code).toBe(0)
    const ahead = await runAt(365)
    expect(ahead).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/expired.*the clock of this machine says 20/s),
    })
    const behind = await runAt(-365)
    expect(behind).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('clock of this machine seems to be behind'),
    })
    expect((await run()).code).toBe(0)
  })

  test('by a year on the first run is told too', async () => {
    newFolder()
    expect(await runAt(365)).toMatchObject({ code: 3, stderr: expect.stringContaining('look at it first') })
  })
})

describeWith(
  'a disk that is read-only',
  ['mount'],
  unlessRoot(),
)('a disk that is read-only', () => {
  test('is told, and nothing of the copy is lost', async () => {
    newFolder()
    await makeFolder(to)
    await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', to])
    try {
      expect((await run()).code).toBe(0)
      await mustRun('mount', ['-o', 'remount,ro', to])
      expect(await run()).toMatchObject({ code: 1, stderr: expect.stringMatching(/read-only/i) })
      expect((await readContents(to)).generation).toBe(tree.generation)
      await mustRun('mount', ['-o', 'remount,rw', to])
      expect((await run()).code).toBe(0)
    } finally {
      await runProgram('umount', [to])
    }
  })
})

describe('--every', () => {
  const start = (...more: string[]) =>
    startProcess(process.execPath, argumentsOf('--every', '1h', ...more), { logFile: `${to}.log` })
  const holds = (generation: number) =>
    waitUntil(async () => (await readContents(to).catch(() => undefined))?.generation === generation, {
      what: `generation ${generation}`,
      limitMs: 20_000,
    })

  test('stays, runs at once on HUP, and ends cleanly on TERM', async () => {
    newFolder()
    const running = start()
    await holds(tree.generation)
    await addBlob()
    await tree.publish()
    await waitUntil(() => running.output().includes('generation'), { what: 'its first words' })
    running.signal('SIGHUP')
    await holds(tree.generation)
    running.signal('SIGTERM')
    expect(await running.exited).toBe(0)
  })

  test('runs when the source says that there are news', async () => {
    newFolder()
    let tell = (_: unknown) => {}
    const told = new Promise((resolve) => {
      tell = resolve as typeof tell
    })
    const asked: string[] = []
    origin.interfere = async (ask) => {
      if (ask.path !== '/generations/next') return undefined
      asked.push(ask.query)
      if (asked.length === 1) return { status: 204, headers: {} }
      if (asked.length > 2) return { status: 404, headers: {} }
      await told
      const body = JSON.stringify({ generation: tree.generation, afterSeconds: 0 })
      return { status: 200, headers: { 'content-type': 'application/json' }, body: new TextEncoder().encode(body) }
    }
    const before = tree.generation
    const running = start()
    await waitUntil(() => asked.length === 2, { what: 'the second question', limitMs: 20_000 })
    expect(asked).toEqual([`after=${before}`, `after=${before}`])
    await addBlob()
    await tree.publish()
    tell(undefined)
    await holds(before + 1)
    running.signal('SIGTERM')
    expect(await running.exited).toBe(0)
  })

  test('goes on after a failure, which it tells', async () => {
    newFolder()
    origin.interfere = () => ({ status: 500, headers: {} })
    const running = start()
    await waitUntil(() => running.output().includes('status 500'), { what: 'the failure', limitMs: 20_000 })
    origin.interfere = () => undefined
    running.signal('SIGHUP')
    await holds(tree.generation)
    running.signal('SIGTERM')
    expect(await running.exited).toBe(0)
  })
})

test('--check-in tells the API after a run, and signs the trace; what comes of it does not fail the copy', async () => {
  newFolder()
  const secret = makeSecret()
  await writeFile(join(root, 'host-token'), `mirror@${secret}\n`)
  const told: unknown[] = []
  let status = 202
  origin.interfere = async (ask) => {
    if (ask.method !== 'POST') return undefined
    told.push([ask.path, ask.header('authorization')])
    return {
      status,
      headers: {},
      body: new TextEncoder().encode('{"checkIn":{"state":"claimed"},"detail":"no such host"}'),
    }
  }
  const options = ['--check-in', origin.url, '--token-file', join(root, 'host-token')]
  expect(await run(...options)).toMatchObject({ code: 0 })
  expect(told).toEqual([['/api/v1/hosts/host/check-ins', `Bearer mirror@${secret}`]])
  const trace = JSON.parse(await readFile(join(to, 'trace/host'), 'utf8'))
  expect(trace).toMatchObject({ generation: tree.generation, signature: { tokenId: 'mirror' } })
  status = 404
  expect(await run(...options)).toMatchObject({ code: 0, stderr: expect.stringContaining('no such host') })
})

test('a token file that holds none is refused before anything is asked', async () => {
  newFolder()
  await writeFile(join(root, 'token'), 'secret')
  await chmod(join(root, 'token'), 0o600)
  const { code, stderr } = await run('--check-in', 'http://127.0.0.1:1', '--token-file', join(root, 'token'))
  expect([code, stderr]).toEqual([1, expect.stringContaining('the token is not like name@flt_')])
  expect(origin.asked).toEqual([])
})
