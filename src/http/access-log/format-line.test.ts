import { describe, expect, test } from 'bun:test'
import { parseAddress } from '#kit/address.ts'
import { addressText, commonLines, jsonLines, type LogEntry } from './format-line.ts'

const entry: LogEntry = {
  atMs: Date.UTC(2026, 2, 5, 7, 8, 9, 10),
  address: parseAddress('192.0.2.77')!,
  country: 'DE',
  method: 'GET',
  path: '/v2/fedora/blobs/sha256:ab',
  userAgent: 'docker/28.5.2',
  status: 307,
  bytes: 0,
  durationMs: 0.04,
  decision: 'host; host=mirror.example.org; tier=country; proof=snapshot',
}

test.each([
  ['192.0.2.77', 'masked', '192.0.2.0'],
  ['192.0.2.77', 'whole', '192.0.2.77'],
  ['192.0.2.77', 'none', '-'],
  ['2001:db8:1:2:3:4:5:6', 'masked', '2001:db8:1::'],
  ['2001:db8:1:2:3:4:5:6', 'whole', '2001:db8:1:2:3:4:5:6'],
  ['::ffff:192.0.2.77', 'masked', '192.0.2.0'],
] as const)('%s %s is %s', (text, detail, shown) => {
  expect(addressText(parseAddress(text)!, detail)).toBe(shown)
})

describe('JSON', () => {
  test('a line has what is known, and how many requests it stands for', () => {
    const line = jsonLines('masked', 100)(entry)
    expect(line).toEndWith('\n')
    expect(JSON.parse(line)).toEqual({
      time: '2026-03-05T07:08:09.010Z',
      address: '192.0.2.0',
      country: 'DE',
      method: 'GET',
      path: entry.path,
      status: 307,
      bytes: 0,
      ms: 0,
      decision: entry.decision,
      agent: 'docker/28.5.2',
      every: 100,
    })
  })

  test('without addresses there is none, and what a client says ends no line and is not endless', () => {
    const hostile = { ...entry, path: `/"\n${'x'.repeat(5000)}`, userAgent: `\u0000\r\n${'y'.repeat(5000)}` }
    const line = jsonLines('none', 1)(hostile)
    expect(line.indexOf('\n')).toBe(line.length - 1)
    expect(line.length).toBeLessThan(1700)
    expect(JSON.parse(line)).not.toHaveProperty('address')
    expect(line).not.toContain('192.0.2')
  })
})

describe('the common log format', () => {
  test('is that of httpd', () => {
    expect(commonLines('masked')(entry)).toBe(
      '192.0.2.0 - - [05/Mar/2026:07:08:09 +0000] "GET /v2/fedora/blobs/sha256:ab HTTP/1.1" 307 0\n',
    )
    expect(commonLines('none')({ ...entry, bytes: undefined })).toStartWith('- - - [')
  })

  test('quotes, backslashes, controls and what is not ASCII are escaped', () => {
    const line = commonLines('masked')({ ...entry, path: '/a"b\\c\nd\u00e9' })
    expect(line).toContain('"GET /a\\x22b\\x5cc\\x0ad\\xc3\\xa9 HTTP/1.1"')
  })
})
