import { beforeEach, expect, test } from 'bun:test'
import { PackRefused } from '#snapshots/pack-record.ts'
import { FileUnlike } from '#snapshots/snapshot-source.ts'
import { ContentsRefused } from '#snapshots/tree-contents.ts'
import { ChainRefused } from '#trust/chain-refused.ts'
import { TreeWatch } from './tree-watch.ts'

let nowMs: number
let told: (string | undefined)[]
let watch: TreeWatch
beforeEach(() => {
  nowMs = 0
  told = []
  watch = new TreeWatch({
    expiresAtMs: () => 1000,
    now: () => nowMs,
    tellAgainMs: 100,
    tell: (what) => void told.push(what?.message),
  })
})

const good = async () => undefined
const failing = (error: unknown) => async () => {
  throw error
}

test('one cause is told once, again while it lasts, another at once, and the end', async () => {
  const look = (message: string) => watch.look(failing(new Error(message))).catch(() => undefined)
  await look('a')
  nowMs = 99
  await look('a')
  expect(told).toEqual(['a'])
  nowMs = 100
  await look('a')
  await look('b')
  await watch.look(good)
  await watch.look(good)
  expect(told).toEqual(['a', 'a', 'b', undefined])
  expect(watch.refused).toBeUndefined()
})

const missing = Object.assign(new Error('no file'), { code: 'ENOENT' })
test.each([
  [new ChainRefused('backwards', 'older'), 'backwards'],
  [new ContentsRefused('odd'), 'contents'],
  [new PackRefused('damaged'), 'pack'],
  [new FileUnlike('catalogue/1.pack', 5), 'pack'],
  [missing, 'pack'],
  [new Error('EIO'), 'unreadable'],
])('%s is refused as %s, with advice, and the look has failed', async (error, reason) => {
  await expect(watch.look(failing(error))).rejects.toBe(error)
  expect(watch.refused?.reason).toBe(reason as never)
  expect(watch.refused?.advice).not.toBe('')
})

test('to be out of date is told, but the look has not failed', async () => {
  await watch.look(failing(new ChainRefused('expired', 'late')))
  expect(watch.refused?.reason).toBe('expired')
  expect(told).toEqual(['late'])
})
