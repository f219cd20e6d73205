// The reader against a slow obvious twin, and against itself: random requests made of the pieces that smuggling is made of.
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { wireLimitDefaults } from './limits.ts'
import { Refusal, readHead } from './read-head.ts'
import { WireAsk } from './wire-ask.ts'

const about = { peer: '192.0.2.1', isTls: false, limits: wireLimitDefaults }

const piece = fc.constantFrom(
  ...['GET', 'HEAD', 'POST', ' ', '  ', '/', '/v2/a', '?n=1', 'http://h/p', '#', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0'],
  ...['\r\n', '\r\n\r\n', '\n', '\r', '\0', '\t', ':', ': ', ',', '\x7f', '\xe4'],
  ...['Host: x\r\n', 'host:y\r\n', 'Content-Length: 0\r\n', 'Content-Length: 5\r\n', 'Transfer-Encoding: chunked\r\n'],
  ...[
    'Connection: close\r\n',
    'X: y\r\n',
    ' folded\r\n',
    'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: x\r\n',
  ],
)
const request = fc
  .tuple(fc.boolean(), fc.array(piece, { maxLength: 12 }))
  .map(([isBegun, pieces]) => Buffer.from((isBegun ? 'GET / HTTP/1.1\r\nHost: x\r\n' : '') + pieces.join(''), 'latin1'))

const token = "[A-Za-z0-9!#$%&'*+.^_`|~-]+"
const head = new RegExp(
  `^(?:\\r\\n)?(GET|HEAD) ([!-~]+) HTTP/1\\.([01])\\r\\n((?:${token}:[\\t\\x20-\\x7e\\x80-\\xff]*\\r\\n)*)\\r\\n`,
)

/** What the rules say, in one expression and a list of fields: the answer to a request that may pass, else undefined. */
function twin(text: string): { method: string; target: string; fields: [string, string][]; end: number } | undefined {
  const match = head.exec(text)
  if (!match) return undefined
  const [all, method, target, minor, lines] = match as unknown as [string, string, string, string, string]
  const fields = lines
    .split('\r\n')
    .slice(0, -1)
    .map((line): [string, string] => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    })
  const valuesOf = (name: string) => fields.filter(([one]) => one === name).map(([, value]) => value)
  if (target.includes('#') || !/^(?:\/|https?:\/\/[^/?])/i.test(target)) return undefined
  if (valuesOf('host').length !== 1 && !(minor === '0' && valuesOf('host').length === 0)) return undefined
  if (valuesOf('host').some((host) => /[^A-Za-z0-9\-._~%!$&'()*+;=:[\]]/.test(host))) return undefined
  if (valuesOf('transfer-encoding').length > 0 || valuesOf('content-length').some((length) => length !== '0'))
    return undefined
  return { method, target, fields, end: all.length }
}

test('what passes is what the twin lets pass, read the same; the rest is refused or waited for, and nothing throws', () => {
  let passed = 0
  fc.assert(
    fc.property(request, (bytes) => {
      const read = readHead(bytes, 0, about)
      const expected = twin(bytes.toString('latin1'))
      if (!expected) return expect(read instanceof WireAsk).toBe(false)
      passed++
      if (!(read instanceof WireAsk)) throw new Error(`${(read as Refusal | undefined)?.detail}: ${bytes}`)
      expect([read.method, read.end]).toEqual([expected.method, expected.end])
      for (const [name] of expected.fields) {
        const values = expected.fields.filter(([one]) => one === name).map(([, value]) => value)
        expect(read.header(name)).toBe(values.join(', '))
      }
      expect(read.header('x-absent')).toBeUndefined()
    }),
    { numRuns: 20_000 },
  )
  expect(passed).toBeGreaterThan(500)
})

test('a head that is cut anywhere is waited for, or refused as the whole would be', () => {
  fc.assert(
    fc.property(request, fc.nat(), (bytes, cut) => {
      const part = bytes.subarray(0, cut % (bytes.length + 1))
      const early = readHead(part, 0, about)
      const whole = readHead(bytes, 0, about)
      if (early instanceof Refusal) expect(whole).toBeInstanceOf(Refusal)
      if (early instanceof WireAsk) expect(whole).toMatchObject({ end: early.end, path: early.path })
    }),
    { numRuns: 20_000 },
  )
})
