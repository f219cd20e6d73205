// `flotilla keys` as it is typed: what needs no server and no data, what is asked, and how it ends.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { flotillaProgram } from '../kit/flotilla.ts'
import { unlessRoot } from '../kit/need-tool.ts'
import { type Ended, mustRun, runProgram } from '../kit/process.ts'

let folder: string
let count = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flotilla-keys-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** What the commands here print with --json. */
type Told = {
  readonly isInstalled: boolean
  readonly publicFile: string
  readonly root: { readonly version: number }
}

type Place = {
  readonly data: string
  run(args: readonly string[], input?: string): Promise<Ended>
  json(...args: string[]): Promise<Told>
}

async function newPlace(): Promise<Place> {
  const data = join(folder, `data-${count++}`)
  const env = { FLOTILLA_DATA: data }
  return {
    data,
    run: (args, input = '') => runProgram(flotillaProgram, ['keys', ...args], { cwd: folder, env, input }),
    json: async (...args) =>
      JSON.parse(await mustRun(flotillaProgram, ['keys', ...args, '--json'], { cwd: folder, env })),
  }
}

test('init makes keys and a root, and says so again', async () => {
  const { data, run, json } = await newPlace()
  const none = await run(['status'])
  expect(none.stdout).toContain('none yet: flotilla keys init')
  expect((await json('init')).isInstalled).toBe(true)
  const again = await json('init')
  expect(again).toMatchObject({ isNew: false, keysFolder: join(data, 'keys'), root: { version: 1, epoch: 1 } })
  const status = await run(['status'])
  expect(status.stdout).toMatch(/root {7}1 of 1 {5}[0-9a-f]{64} {2}here/)
  expect(await readdir(data)).toEqual(['keys'])
})

describe('a holder', () => {
  const at = (name: string) => join(folder, name)

  test('makes a key that is never written over, without any data folder', async () => {
    const { data, run, json } = await newPlace()
    const made = await json('new', '--to', at('a.key'))
    const pem = await readFile(at('a.key'), 'utf8')
    expect(JSON.parse(await readFile(made.publicFile, 'utf8')).keytype).toBe('ed25519')
    expect(await run(['new', '--to', at('a.key')])).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('there already'),
    })
    expect(await readFile(at('a.key'), 'utf8')).toBe(pem)
    await expect(readdir(data)).rejects.toThrow('ENOENT')
  })

  test('is asked, and only y signs', async () => {
    const { data, run, json } = await newPlace()
    await run(['new', '--to', at('b.key')])
    await json('init')
    const waiting = await json('rotate', 'root', '--add', at('b.key.pub.json'), '--threshold', '2')
    expect(waiting.isInstalled).toBe(false)
    const [root, previous] = [join(data, 'keys/next.root.json'), join(data, 'keys/roots/1.root.json')]
    const before = await readFile(root)
    const sign = ['sign', root, '--key', at('b.key'), '--previous', previous]
    for (const answer of ['', 'n\n', 'yess\n', '\n']) {
      const ended = await run(sign, answer)
      expect([answer, ended.code, ended.stderr.includes('nothing was signed')]).toEqual([answer, 1, true])
      expect(ended.stderr).toContain('root: 2 of 2 keys must sign, before its one key')
    }
    expect((await readFile(root)).equals(before)).toBe(true)
    expect((await run(sign, 'y\n')).stdout).toContain('Root 2 is signed')
    expect(await json('install', root)).toMatchObject({ isInstalled: true, version: 2, deleted: [] })
  })

  test('is told what is wrong, without a stack', async () => {
    const { data, run, json } = await newPlace()
    await json('init')
    await writeFile(at('rubbish'), 'rubbish')
    const root = join(data, 'keys/roots/1.root.json')
    const table: [string[], number, string][] = [
      [['sign', root, '--key', at('none.key')], 1, 'there is no key at'],
      [['sign', root, '--key', at('rubbish')], 1, 'holds no private key (PEM)'],
      [['sign', at('rubbish'), '--key', at('a.key')], 1, 'not a TUF root'],
      [['sign', root, '--key', at('a.key'), '--yes'], 1, 'is no root key of'],
      [['sign', root, '--key', at('a.key'), '--previous', root], 1, 'root 1 does not follow root 1'],
      [['install', root], 1, 'root 1 does not follow root 1, the newest here'],
      [['rotate', 'root', '--add', at('rubbish')], 1, 'holds no public key'],
      [['rotate', 'root', '--remove', '12'], 1, 'is no key of root; they are'],
      [['threshold', '2', '--role', 'timestamp'], 1, 'its threshold is 1'],
      [['threshold', '2'], 1, '2 of 1 keys cannot sign for root'],
      [['epoch', '--after', 'stabel=5'], 1, 'stabel is no channel'],
      [['epoch', '--after', 'stable'], 2, 'as stable=120'],
      [['rotate', 'mirrors'], 2, 'Allowed choices'],
      [['new'], 2, '--to'],
    ]
    for (const [args, code, message] of table) {
      const ended = await run(args)
      expect([args, ended.code]).toEqual([args, code])
      expect(ended.stderr).toContain(message)
      expect(ended.stderr).not.toContain('.ts:')
    }
    expect((await json('status')).root.version).toBe(1)
  })
})

const reason = unlessRoot()
test.skipIf(reason !== undefined)('a folder of another user is left alone', async () => {
  const { data, run, json } = await newPlace()
  await json('init')
  await mustRun('chown', ['65534', join(data, 'keys')])
  const ended = await run(['rotate', 'timestamp'])
  expect(ended.code).toBe(1)
  expect(ended.stderr).toContain("belongs to user 65534, not to 0: run this as that user, as by sudo -u '#65534'")
})
