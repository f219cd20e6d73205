// The ceremony of docs/keys.md from end to end: holders with keys in folders of their own sign by the shipped script, the root is
// installed beside a running server, and a reader that knew only the first root follows.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TrustedChain } from '#trust/trusted-chain.ts'
import { type Flotilla, flotillaProgram, startFlotilla } from '../kit/flotilla.ts'
import { describeWith } from '../kit/need-tool.ts'
import { mustRun, runProgram } from '../kit/process.ts'
import { getTool } from '../kit/tool.ts'
import { waitUntil } from '../kit/wait-until.ts'

const script = join(import.meta.dir, '../../deploy/ceremony/root-ceremony.sh')
const holders = ['ada', 'ben', 'cleo'] as const

type Status = {
  readonly root: {
    readonly version: number
    readonly epoch: number
    readonly roles: readonly { readonly keys: string[] }[]
  }
  readonly proposal?: { readonly path: string }
}
type Outcome = { readonly isInstalled: boolean; readonly deleted: string[]; readonly replaced: string[] }

let folder: string
let flotilla: Flotilla
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flotilla-ceremony-'))
  flotilla = await startFlotilla({ folder })
  await waitUntil(async () => (await readTree('timestamp.json')) !== undefined, {
    what: 'the first generation is there',
  })
})
afterAll(async () => {
  await flotilla?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const at = (...names: string[]) => join(folder, ...names)
const env = { FLOTILLA: flotillaProgram }

async function readTree(name: string): Promise<Buffer | undefined> {
  return await readFile(join(flotilla.data, 'tree/stable/metadata', name)).catch(() => undefined)
}

/** A holder brings the files over on a stick, and runs the script. */
async function sign(holder: string, root: string, previous: string, ...more: string[]): Promise<string> {
  const copy = at(holder, 'next.root.json')
  await copyFile(root, copy)
  const key = ['--key', at(holder, 'root.key'), '--passphrase-file', at(holder, 'passphrase')]
  await mustRun(script, ['--root', copy, '--previous', previous, ...key, '--yes', ...more], { env })
  return copy
}

test('the script is POSIX sh', async () => {
  expect(await mustRun('sh', ['-n', script])).toBe('')
})

describeWith('shellcheck', ['shellcheck'])('shellcheck', () => {
  test('finds nothing in the script', async () => {
    expect(await runProgram(getTool('shellcheck'), ['-s', 'sh', script])).toMatchObject({ code: 0, stdout: '' })
  })
})

test('root moves to 2 of 3 holders, and keys change by their word; an old reader follows', async () => {
  const first = (await readTree('1.root.json'))!
  const reader = (await TrustedChain.open(at('reader'), first, 'stable'))!
  await reader.refresh(readTree)
  for (const holder of holders) {
    await mkdir(at(holder), { mode: 0o700 })
    await writeFile(at(holder, 'passphrase'), `${holder} knows it\n`, { mode: 0o600 })
    const made = ['keys', 'new', '--to', at(holder, 'root.key'), '--passphrase-file', at(holder, 'passphrase')]
    await mustRun(flotillaProgram, made)
    expect((await stat(at(holder, 'root.key'))).mode & 0o777).toBe(0o600)
  }
  const before = await flotilla.runJson<Status>('keys', 'status')
  const add = holders.flatMap((holder) => ['--add', at(holder, 'root.key.pub.json')])
  const change = [...add, '--remove', before.root.roles[0]!.keys[0]!, '--threshold', '2']
  const told = await flotilla.run('keys', 'rotate', 'root', ...change)
  expect(told).toContain('2 of 3 of its own keys: 2 more needed')
  const { path } = (await flotilla.runJson<Status>('keys', 'status')).proposal!
  const previous = join(flotilla.data, 'keys/roots/1.root.json')

  const alone = await flotilla.tryRun('keys', 'install', await sign('ada', path, previous))
  expect(alone).toMatchObject({ code: 1, stderr: expect.stringContaining('signatures are missing') })
  const moved = await flotilla.runJson<Outcome>('keys', 'install', await sign('cleo', path, previous))
  expect(moved).toMatchObject({ isInstalled: true, deleted: ['root'] })
  expect(await readdir(join(flotilla.data, 'keys'))).not.toContain('root.key')

  const waiting = await flotilla.runJson<Outcome>('keys', 'epoch', '--after', 'stable=40')
  expect(waiting.isInstalled).toBe(false)
  const second = join(flotilla.data, 'keys/roots/2.root.json')
  const copies = [await sign('ben', path, second), await sign('cleo', path, second)]
  const done = await flotilla.runJson<Outcome>('keys', 'install', ...copies)
  expect(done).toMatchObject({ isInstalled: true, replaced: ['timestamp', 'snapshot', 'targets'] })

  await flotilla.process.stop()
  await flotilla[Symbol.asyncDispose]()
  flotilla = await startFlotilla({ folder })
  await waitUntil(async () => (await readTree('3.root.json')) !== undefined, {
    what: 'the tree has the new root',
    limitMs: 90_000,
  })
  const targets = await waitUntil(
    async () => {
      const found = await reader.refresh(readTree).catch(() => undefined)
      return (found?.about as { generation?: number } | undefined)?.generation === 41 ? found : undefined
    },
    { what: 'an old reader is in the new epoch', limitMs: 90_000 },
  )
  expect(targets).toMatchObject({ rootVersion: 3, targetsVersion: 1 })
  const isServed = async () =>
    /^flotilla_frontdoor_generation 41$/m.test(await (await fetch(`${flotilla.url('api')}/metrics`)).text())
  await waitUntil(isServed, { what: 'the front door serves the first generation of the epoch' })
}, 240_000)

test('the script refuses what a holder should not do', async () => {
  const root = join(flotilla.data, 'keys/roots/3.root.json')
  const own = at('ada', 'own.root.json')
  await copyFile(root, own)
  const previous = join(flotilla.data, 'keys/roots/2.root.json')
  const files = ['--root', own, '--previous', previous, '--passphrase-file', at('ada', 'passphrase'), '--yes']
  const run = (...args: string[]) => runProgram(script, args, { env })
  expect(await run('--root', own)).toMatchObject({ code: 2, stderr: expect.stringContaining('usage:') })
  await mustRun(flotillaProgram, ['keys', 'new', '--to', at('stranger.key')])
  const stranger = await run(...files.slice(0, 4), '--yes', '--key', at('stranger.key'))
  expect(stranger).toMatchObject({ code: 1, stderr: expect.stringContaining('is no root key of') })
  await chmod(at('stranger.key'), 0o640)
  const open = await run(...files, '--key', at('stranger.key'))
  expect(open).toMatchObject({ code: 1, stderr: expect.stringContaining('can be read by others') })
  expect(await run(...files, '--key', at('ada', 'root.key'), '--first')).toMatchObject({ code: 2 })
  expect((await readFile(own)).equals(await readFile(root))).toBe(true)
})
