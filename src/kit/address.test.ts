import { describe, expect, test } from 'bun:test'
import { isIP } from 'node:net'
import fc from 'fast-check'
import { cidrHas, formatAddress, formatCidr, networkOf, parseAddress, parseCidr, prefixKey } from './address.ts'

describe('parseAddress', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8::00a1', '2001:db8::a1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:c000:0201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:127.0.0.1', '127.0.0.1'],
  ])('%s is %s', (text, canonical) => {
    expect(formatAddress(parseAddress(text)!)).toBe(canonical)
  })

  test.each([
    '',
    ' ',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.04',
    '0x1.2.3.4',
    '1.2.3.4 ',
    '1..2.3',
    '1.2.3.',
    '.1.2.3',
    '1.2.3.4.',
    '3232235777',
    '+1.2.3.4',
    '1.2.3.-4',
    '１.2.3.4',
    ':',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '12345::',
    'g::',
    '::1%eth0',
    '[::1]',
    '1:2:3:4:5:6:7:8::',
    '::1:2:3:4:5:6:7:8',
    '1:2:3:4:5:6:7:1.2.3.4',
    '::1.2.3',
    '::1.2.3.4:5',
    '1.2.3.4::',
    ':1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:',
    '::ffff:01.2.3.4',
    'localhost',
  ])('%p is none', (text) => {
    expect(parseAddress(text)).toBeUndefined()
  })

  test('reads what the platform reads, and writes it the same way', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ unit: fc.constantFrom(...'0123f:.'), maxLength: 24 })),
        (text) => {
          const ours = parseAddress(text)
          expect(ours !== undefined).toBe(isIP(text) !== 0)
          if (!ours) return
          const canonical = formatAddress(ours)
          expect(parseAddress(canonical)).toEqual(ours)
          // The platform's URL parser refuses some dotted tails that its isIP accepts.
          if (ours.family === 6 && !text.includes('.'))
            expect(`[${canonical}]`).toBe(new URL(`http://[${text}]/`).hostname)
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('networks', () => {
  test.each([
    ['192.0.2.0/24', '192.0.2.0/24'],
    ['192.0.2.7', '192.0.2.7/32'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['2001:db8::/32', '2001:db8::/32'],
    ['::1', '::1/128'],
    ['::/0', '::/0'],
    ['::ffff:192.0.2.0/120', '192.0.2.0/24'],
  ])('%s is %s', (text, canonical) => {
    expect(formatCidr(parseCidr(text)!)).toBe(canonical)
  })

  test.each([
    '192.0.2.1/24',
    '192.0.2.0/33',
    '192.0.2.0/',
    '192.0.2.0/024',
    '192.0.2.0/-1',
    '192.0.2.0/24/24',
    '192.0.2.0/255.255.255.0',
    '2001:db8::1/64',
    '2001:db8::/129',
    '/24',
    '',
    '::ffff:192.0.2.0/24',
    '192.0.2.0/ 24',
    '192.0.2.0/1e1',
  ])('%p is none', (text) => {
    expect(parseCidr(text)).toBeUndefined()
  })

  test('a network has an address exactly when that address, cut to its length, is the network', () => {
    const address = fc.oneof(fc.ipV4(), fc.ipV6()).map((text) => parseAddress(text)!)
    fc.assert(
      fc.property(address, address, fc.integer({ min: 0, max: 128 }), fc.boolean(), (a, b, bits, isNear) => {
        const length = a.family === 4 ? bits % 33 : bits
        const cidr = networkOf(a, length)
        const asked = isNear ? a : b
        const expected = asked.family === a.family && formatCidr(networkOf(asked, length)) === formatCidr(cidr)
        expect(cidrHas(cidr, asked)).toBe(expected)
      }),
      { numRuns: 300 },
    )
  })
})

test('a prefix key is the /24 or the /48, and no IPv4 key is an IPv6 key', () => {
  const key = (text: string) => prefixKey(parseAddress(text)!)
  expect(key('192.0.2.1')).toBe(key('192.0.2.255'))
  expect(key('192.0.2.1')).not.toBe(key('192.0.3.1'))
  expect(key('2001:db8:1:2::1')).toBe(key('2001:db8:1:ffff::'))
  expect(key('2001:db8:1::')).not.toBe(key('2001:db8:2::'))
  expect(key('::c0:2')).not.toBe(key('0.192.0.2'))
  expect(Number.isSafeInteger(key('ffff:ffff:ffff::'))).toBe(true)
})
