import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeConfig } from '#config/config.ts'
import { loadSettings } from '#config/load-config.ts'
import {
  findFrontDoorKey,
  openFrontDoorKey,
  openTicketKey,
  requireFrontDoorKey,
  requireTicketKey,
} from './front-door-key.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keys-'))
})
afterAll(() => rm(folder, { recursive: true }))

const configOf = (flags: Parameters<typeof loadSettings>[0]['flags']) =>
  makeConfig(loadSettings({ flags, environment: {}, folder }).settings)
const home = () => configOf({ data: join(folder, 'home') })

async function given(name: string, content: string | Uint8Array, mode: number): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  await chmod(path, mode)
  return path
}

describe('in the data folder of the control plane', () => {
  test('both keys are made once, for their owner only', async () => {
    const key = await openFrontDoorKey(home())
    expect(key).toMatch(/^flt_[0-9a-f]{64}$/)
    expect(await openFrontDoorKey(home())).toBe(key)
    const ticketKey = await openTicketKey(home(), () => Buffer.alloc(32, 1))
    expect(await openTicketKey(home(), () => Buffer.alloc(32, 2))).toEqual(ticketKey)
    for (const name of ['frontdoor.key', 'ticket.key'])
      expect((await stat(join(folder, 'home/keys', name))).mode & 0o777).toBe(0o600)
    expect((await stat(join(folder, 'home/keys'))).mode & 0o777).toBe(0o700)
  })
})

describe('on a machine of its own', () => {
  test('the files are taken from where the options say, or from its own folder of keys', async () => {
    const key = await given('front.key', `${'k'.repeat(20)}\n`, 0o640)
    const ticket = await given('tickets', Buffer.alloc(32, 3), 0o600)
    const config = configOf({ data: join(folder, 'door'), frontdoorKey: key, ticketKey: ticket })
    expect(await requireFrontDoorKey(config)).toBe('k'.repeat(20))
    expect(await requireTicketKey(config)).toEqual(await readFile(ticket))
    expect(await requireFrontDoorKey(home())).toBe(await openFrontDoorKey(home()))
  })

  test('that one is missing is said with what to copy; nothing is made in its place', async () => {
    const config = configOf({ data: join(folder, 'empty') })
    await expect(requireFrontDoorKey(config)).rejects.toThrow(/frontdoor-key: there is no .*copy keys\/frontdoor\.key/)
    await expect(requireTicketKey(config)).rejects.toThrow(/ticket-key: there is no .*copy keys\/ticket\.key/)
    expect(await findFrontDoorKey(config)).toBeUndefined()
  })

  test.each([
    ['everybody can read', 'k'.repeat(40), 0o644, /everybody on this machine can read .*chmod 600/],
    ['is short', 'secret', 0o600, /at least 20 characters/],
    ['is two lines', `${'k'.repeat(20)}\n${'l'.repeat(20)}`, 0o600, /one line/],
    ['is empty', '', 0o600, /one line/],
  ])('a secret that %s is refused', async (_, content, mode, reason) => {
    const path = await given('bad.key', content, mode)
    await expect(requireFrontDoorKey(configOf({ data: folder, frontdoorKey: path }))).rejects.toThrow(reason)
  })

  test.each([
    ['everybody can read', Buffer.alloc(32, 1), 0o604, /everybody on this machine can read/],
    ['is short', Buffer.alloc(31, 1), 0o600, /31 bytes, and a key has at least 32/],
  ])('a ticket key that %s is refused', async (_, content, mode, reason) => {
    const path = await given('bad.ticket', content, mode)
    await expect(requireTicketKey(configOf({ data: folder, ticketKey: path }))).rejects.toThrow(reason)
  })
})
