// Keys in a process of their own, beside a running server: the change over without a pause, an outage of the signer, its return.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onlineRoles } from '#trust/signed-document.ts'
import { type Flotilla, flotillaProgram, startFlotilla } from '../kit/flotilla.ts'
import { makeImage, makeLayer } from '../kit/images.ts'
import { type RunningProcess, runProgram, startProcess } from '../kit/process.ts'
import { pushImage } from '../kit/push-image.ts'
import { waitUntil } from '../kit/wait-until.ts'

type Status = {
  readonly signer: string
  readonly root: {
    readonly roles: readonly { readonly role: string; readonly keys: string[]; readonly here: string[] }[]
  }
}

let folder: string
let socket: string
let flotilla: Flotilla
let signer: RunningProcess
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flotilla-signers-'))
  socket = join(folder, 'signer.socket')
})
afterAll(async () => {
  await flotilla?.[Symbol.asyncDispose]()
  await signer?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const ownEnv = () => ({ FLOTILLA_DATA: join(folder, 'own'), HOME: folder })

async function startSigner(): Promise<RunningProcess> {
  const logFile = join(folder, 'signer.log')
  const started = startProcess(flotillaProgram, ['signer', '--listen', `unix:${socket}`], {
    logFile,
    cwd: folder,
    env: ownEnv(),
  })
  await waitUntil(async () => ((await stat(socket)).mode & 0o777) === 0o600, { what: 'the socket is there' })
  return started
}

async function publish(tag: string): Promise<void> {
  const secret = (await readFile(join(flotilla.data, 'keys/builder-token'), 'utf8')).trim()
  const registry = { registry: flotilla.url('registry'), user: 'builder', secret }
  await pushImage(registry, 'team/app', tag, makeImage([makeLayer(100 * 1024)]))
  await flotilla.run('promote', `team/app:${tag}`, '--to', 'stable')
}

async function keyOfTimestamp(): Promise<string> {
  const text = await readFile(join(flotilla.data, 'tree/stable/metadata/timestamp.json'), 'utf8')
  return JSON.parse(text).signatures[0].keyid
}

const idsOf = async (here: boolean) => {
  const { root } = await flotilla.runJson<Status>('keys', 'status')
  return onlineRoles.map((role) => {
    const { keys, here: mine } = root.roles.find((one) => one.role === role)!
    return keys.filter((id) => mine.includes(id) === here)[0]!
  })
}

test('keys move to a signer of their own, which can be away for a while', async () => {
  flotilla = await startFlotilla({ folder })
  signer = await startSigner()
  await publish('1')
  await flotilla.run('publish', '--now')
  const old = await idsOf(true)
  expect(await keyOfTimestamp()).toBe(old[0]!)
  for (const role of onlineRoles) {
    const added = await flotilla.runJson<{ isInstalled: boolean }>(
      'keys',
      'rotate',
      role,
      '--add',
      join(folder, `own/keys/${role}.pub.json`),
    )
    expect(added.isInstalled).toBe(true)
  }
  await flotilla[Symbol.asyncDispose]()
  flotilla = await startFlotilla({ folder, env: { FLOTILLA_SIGNER: `unix:${socket}` } })
  const fresh = await idsOf(true)
  expect(await idsOf(false)).toEqual(old)
  for (const [i, role] of onlineRoles.entries()) await flotilla.run('keys', 'rotate', role, '--remove', old[i]!)
  await publish('2')
  await flotilla.run('publish', '--now')
  expect(await keyOfTimestamp()).toBe(fresh[0]!)

  expect(await signer.stop()).toBe(0)
  await expect(stat(socket)).rejects.toThrow('ENOENT')
  await publish('3')
  const failed = await flotilla.tryRun('publish', '--now')
  expect(failed.code).toBe(1)
  expect(failed.stdout + failed.stderr).toContain('is `flotilla signer` running')
  const status = await flotilla.tryRun('keys', 'status')
  expect(status.stderr).toContain(`the signer at ${socket} does not answer`)
  signer = await startSigner()
  await flotilla.run('publish', '--now')
  expect(await keyOfTimestamp()).toBe(fresh[0]!)
}, 180_000)

test('a second signer at the same socket is refused, and the first goes on', async () => {
  const second = await runProgram(flotillaProgram, ['signer', '--listen', `unix:${socket}`], { env: ownEnv() })
  expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining('another signer answers at') })
  expect((await flotilla.runJson<Status>('keys', 'status')).signer).toBe(`unix:${socket}`)
})

test('when root and timestamp end is on the metrics', async () => {
  const text = await (await fetch(`${flotilla.url('api')}/metrics`)).text()
  const value = (name: string) => Number(new RegExp(`^${name} (-?\\d+)`, 'm').exec(text)?.[1])
  const day = 86_400
  const now = Date.now() / 1000
  expect(value('flotilla_root_expires_seconds')).toBeGreaterThan(now + 700 * day)
  expect(value('flotilla_timestamp_expires_seconds\\{channel="stable"\\}')).toBeGreaterThan(now + 2 * day)
  expect(value('flotilla_timestamp_expires_seconds\\{channel="stable"\\}')).toBeLessThan(now + 3 * day + 1)
})
