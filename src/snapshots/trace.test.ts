import { describe, expect, test } from 'bun:test'
import { createHash, createHmac } from 'node:crypto'
import { isSignedBy, macOf, maxTraceBytes, parseTrace, type Trace, traceText } from './trace.ts'

const trace: Trace = {
  format: 1,
  host: 'mirror.example.org',
  channel: 'stable',
  generation: 7,
  finishedAt: '2026-11-24T09:00:00Z',
  software: 'flotilla-rsync/1',
}
const key = createHash('sha256').update('flt_secret').digest()
const bytesOf = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))

describe('the text that is signed', () => {
  test('is what the drawing says, byte for byte', () => {
    expect(traceText(trace)).toBe(
      'flotilla-trace 1\nhost mirror.example.org\nchannel stable\ngeneration 7\nfinishedAt 2026-11-24T09:00:00Z\nsoftware flotilla-rsync/1\n',
    )
    expect(traceText({ ...trace, partial: { cap: '500G', repositories: ['a/b'] } })).toEndWith(
      'software flotilla-rsync/1\npartial {"cap":"500G","repositories":["a/b"]}\n',
    )
  })

  test('is the same after the trace has travelled', () => {
    const partial = { b: 1, a: { z: [1.5, null, 'ä\n'] } }
    const parsed = parseTrace(bytesOf({ ...trace, partial })) as Trace
    expect(traceText(parsed)).toBe(traceText({ ...trace, partial }))
  })

  test('is signed by HMAC-SHA-256', () => {
    expect(macOf(trace, key)).toBe(createHmac('sha256', key).update(traceText(trace)).digest('hex'))
  })
})

describe('a signature', () => {
  const signed: Trace = { ...trace, signature: { tokenId: 'mirror', mac: macOf(trace, key) } }
  const changes: readonly Partial<Trace>[] = [
    { host: 'other.example.org' },
    { channel: 'testing' },
    { generation: 8 },
    { finishedAt: '2026-11-24T09:00:01Z' },
    { software: 'flotilla/1' },
    { partial: {} },
  ]

  test('holds for what was signed, with its key', () => {
    expect(isSignedBy(signed, key)).toBe(true)
    expect(isSignedBy(signed, createHash('sha256').update('flt_other').digest())).toBe(false)
    expect(isSignedBy(trace, key)).toBe(false)
  })

  test.each(changes.map((change) => [JSON.stringify(change), change] as const))(
    'does not hold with %s',
    (_, change) => {
      expect(isSignedBy({ ...signed, ...change }, key)).toBe(false)
    },
  )
})

describe('reading', () => {
  test('takes what is written, and leaves out what it does not know', () => {
    expect(parseTrace(bytesOf(trace))).toEqual(trace)
    const signature = { tokenId: 'mirror', mac: 'a'.repeat(64) }
    expect(parseTrace(bytesOf({ ...trace, signature, later: 1 }))).toEqual({ ...trace, signature })
  })

  const wrong: readonly (readonly [string, unknown, RegExp])[] = [
    ['nothing', '', /no JSON object/],
    ['a list', [], /no JSON object/],
    ['null', 'null', /no JSON object/],
    ['a page', '<html>not found</html>', /no JSON object/],
    ['deep brackets', '['.repeat(maxTraceBytes), /no JSON object/],
    ['another format', { ...trace, format: 2 }, /format 2/],
    ['a path for a host', { ...trace, host: '../x' }, /"host"/],
    ['a channel with a line feed', { ...trace, channel: 'a\nb' }, /"channel"/],
    ['a generation of 0', { ...trace, generation: 0 }, /"generation"/],
    ['a generation as text', { ...trace, generation: '7' }, /"generation"/],
    ['a huge generation', { ...trace, generation: 2 ** 53 }, /"generation"/],
    ['a local time', { ...trace, finishedAt: '2026-11-24T09:00:00+01:00' }, /"finishedAt"/],
    ['no such day', { ...trace, finishedAt: '2026-13-41T09:00:00Z' }, /"finishedAt"/],
    ['software of two lines', { ...trace, software: 'a\ngeneration 9' }, /"software"/],
    ['software without end', { ...trace, software: 'a'.repeat(201) }, /"software"/],
    ['a part that is a list', { ...trace, partial: [] }, /"partial"/],
    ['a signature without a mac', { ...trace, signature: { tokenId: 'a' } }, /"signature"/],
    ['a mac that is too short', { ...trace, signature: { tokenId: 'a', mac: 'ab' } }, /"signature"/],
  ]
  test.each(wrong)('%s is told as it is', (_, value, problem) => {
    expect(parseTrace(bytesOf(value))).toEqual({ problem: expect.stringMatching(problem) as unknown as string })
  })
})
