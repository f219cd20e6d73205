import { expect, test } from 'bun:test'
import { ownText } from './own-text.ts'

test('it is the same text, whatever the characters', () => {
  for (const text of ['', 'plain', 'gr\u00fc\u00df', '\u{1f6a2} ship']) expect(ownText(text)).toBe(text)
})

test('what is kept of many long texts takes memory for itself alone', () => {
  const long = Buffer.alloc(32 * 1024, 'x')
  Bun.gc(true)
  const before = process.memoryUsage.rss()
  const kept = Array.from({ length: 20_000 }, (_, i) => {
    long.write(String(i).padStart(8, '0'), 100)
    return ownText(long.toString('latin1').slice(100, 140))
  })
  Bun.gc(true)
  expect(kept.at(-1)).toStartWith('00019999')
  // As slices they hold more than 600 MB.
  expect(process.memoryUsage.rss() - before).toBeLessThan(200 * 1024 * 1024)
})
