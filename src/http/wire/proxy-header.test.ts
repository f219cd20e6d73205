import { describe, expect, test } from 'bun:test'
import { maxProxyHeaderBytes, type ProxyHeader, readProxyHeader } from './proxy-header.ts'

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')

/** `addresses` and `tlvs` in hex. */
function binary(command: number, protocol: number, addresses: string, tlvs = '', length?: number): Buffer {
  const rest = Buffer.from(addresses + tlvs, 'hex')
  const fixed = Buffer.alloc(4)
  fixed.writeUInt8(command)
  fixed.writeUInt8(protocol, 1)
  fixed.writeUInt16BE(length ?? rest.length, 2)
  return Buffer.concat([signature, fixed, rest])
}

// 198.51.100.7 to 192.0.2.1, 40000 to 443
const ports = '9c4001bb'
const v4 = `c6336407c0000201${ports}`
const v6 = `20010db8${'0'.repeat(22)}0720010db8${'0'.repeat(22)}01${ports}`
const mapped = `${'0'.repeat(20)}ffffc6336407${'0'.repeat(20)}ffffc0000201${ports}`
const unix = '00'.repeat(216)
// The client came over TLS, its certificate was not asked for; an empty TLV within.
const tls = '2000080100000000210000'
const plain = '2000050000000000'

const good: [string, Buffer | string, string | undefined, boolean][] = [
  ['v1 over IPv4', 'PROXY TCP4 198.51.100.7 192.0.2.1 40000 443\r\n', '198.51.100.7', false],
  ['v1 over IPv6', 'PROXY TCP6 2001:DB8::7 2001:db8::1 40000 443\r\n', '2001:db8::7', false],
  ['v1 with a mapped address', 'PROXY TCP6 ::ffff:198.51.100.7 ::1 1 2\r\n', '198.51.100.7', false],
  ['v1 unknown', 'PROXY UNKNOWN\r\n', undefined, false],
  [
    'v1 unknown, the rest of the line passed over',
    'PROXY UNKNOWN ffff:f::1 ffff:f::2 65535 65535\r\n',
    undefined,
    false,
  ],
  ['v2 over IPv4', binary(0x21, 0x11, v4), '198.51.100.7', false],
  ['v2 over IPv6', binary(0x21, 0x21, v6), '2001:db8::7', false],
  ['v2 with a mapped address', binary(0x21, 0x21, mapped), '198.51.100.7', false],
  ['v2 with TLVs', binary(0x21, 0x11, v4, '04000200ffea000161'), '198.51.100.7', false],
  ['v2, client over TLS', binary(0x21, 0x11, v4, tls), '198.51.100.7', true],
  ['v2, client not over TLS', binary(0x21, 0x11, v4, plain), '198.51.100.7', false],
  ['v2 local', binary(0x20, 0x00, ''), undefined, false],
  ['v2 local, whatever follows passed over', binary(0x20, 0xff, 'ff'.repeat(30)), undefined, false],
  ['v2 of no family', binary(0x21, 0x00, ''), undefined, false],
  ['v2 of no family with bytes of TLVs', binary(0x21, 0x00, '', '040000'), undefined, false],
  ['v2 of a socket file', binary(0x21, 0x31, unix), undefined, false],
  ['v2 of datagrams', binary(0x21, 0x12, v4), undefined, false],
  ['v2 with a checksum', withChecksum(binary(0x21, 0x11, v4, '03000400000000')), '198.51.100.7', false],
  [
    'v2 as long as may be',
    binary(
      0x21,
      0x11,
      v4,
      `04${(maxProxyHeaderBytes - 31).toString(16).padStart(4, '0')}`.padEnd(2 * (maxProxyHeaderBytes - 28), '0'),
    ),
    '198.51.100.7',
    false,
  ],
]

/** Fills in the last four bytes, by another way than the reader: a table. */
function withChecksum(header: Buffer): Buffer {
  const table = Array.from({ length: 256 }, (_, n) => {
    let value = n
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1
    return value >>> 0
  })
  let crc = 0xffffffff
  for (const byte of header) crc = table[(crc ^ byte) & 255]! ^ (crc >>> 8)
  header.writeUInt32BE((crc ^ 0xffffffff) >>> 0, header.length - 4)
  return header
}

describe.each(good)('%s', (_, bytes, client, isTls) => {
  const header = Buffer.from(bytes as Buffer)

  test('names the client, and where its bytes begin', () => {
    for (const more of ['', 'GET / HTTP/1.1\r\n', '\r\n\r\n\0']) {
      const read = readProxyHeader(Buffer.concat([header, Buffer.from(more)]))
      expect(read).toEqual({ client, isTls, end: header.length } as ProxyHeader)
    }
  })

  test('is partial until its last byte', () => {
    for (let length = 0; length < Math.min(header.length, 300); length++)
      expect(readProxyHeader(header.subarray(0, length))).toBe('partial')
  })
})

test.each([
  ['a request', 'GET / HTTP/1.1\r\n'],
  ['lower case', 'proxy TCP4 198.51.100.7 192.0.2.1 40000 443\r\n'],
  ['a request after an empty line', '\r\nGET / HTTP/1.1\r\n'],
  ['a TLS hello', '\x16\x03\x01\x02\x00'],
  ['another signature', '\r\n\r\n\0\r\nQUIT\r'],
  ['PROXYv', 'PROXYv TCP4'],
])('absent: %s', (_, bytes) => {
  expect(readProxyHeader(Buffer.from(bytes, 'latin1'))).toBe('absent')
})

test.each<[string, Buffer | string, RegExp]>([
  ['a line without end', `PROXY UNKNOWN ${'x'.repeat(200)}`, /longer than 107/],
  ['a line one byte too long', `PROXY UNKNOWN ${'x'.repeat(92)}\r\n`, /longer than 107/],
  ['a line feed alone', 'PROXY UNKNOWN\n', /CR LF/],
  ['another family', 'PROXY UDP4 198.51.100.7 192.0.2.1 40000 443\r\n', /neither TCP4/],
  ['no family', 'PROXY \r\n', /neither TCP4/],
  ['two spaces', 'PROXY TCP4  198.51.100.7 192.0.2.1 40000 443\r\n', /not of TCP4/],
  ['IPv6 called TCP4', 'PROXY TCP4 ::1 192.0.2.1 40000 443\r\n', /not of TCP4/],
  ['IPv4 called TCP6', 'PROXY TCP6 198.51.100.7 ::1 40000 443\r\n', /not of TCP6/],
  ['no address', 'PROXY TCP4 x 192.0.2.1 40000 443\r\n', /not of TCP4/],
  ['an octal address', 'PROXY TCP4 010.0.0.1 192.0.2.1 40000 443\r\n', /not of TCP4/],
  ['a missing target', 'PROXY TCP4 198.51.100.7\r\n', /not of TCP4/],
  ['a port too high', 'PROXY TCP4 198.51.100.7 192.0.2.1 65536 443\r\n', /ports/],
  ['a port with a zero before it', 'PROXY TCP4 198.51.100.7 192.0.2.1 040 443\r\n', /ports/],
  ['no ports', 'PROXY TCP4 198.51.100.7 192.0.2.1\r\n', /ports/],
  ['more than ports', 'PROXY TCP4 198.51.100.7 192.0.2.1 1 2 3\r\n', /ports/],
  ['a trailing space', 'PROXY TCP4 198.51.100.7 192.0.2.1 1 2 \r\n', /ports/],
  ['another version', binary(0x11, 0x11, v4), /version or command/],
  ['another command', binary(0x22, 0x11, v4), /version or command/],
  ['another family in v2', binary(0x21, 0x41, v4), /address family/],
  ['another transport in v2', binary(0x21, 0x13, v4), /address family/],
  ['addresses cut short', binary(0x21, 0x11, v4.slice(0, 22)), /within its addresses/],
  ['IPv6 as long as IPv4', binary(0x21, 0x21, v4), /within its addresses/],
  ['longer than may be', binary(0x21, 0x11, v4, '', 65_535), /longer than 4096/],
  ['a TLV past the end', binary(0x21, 0x11, v4, '04000500ff'), /past its end/],
  ['a TLV cut in its length', binary(0x21, 0x11, v4, '0400'), /past its end/],
  ['a TLV cut in its type', binary(0x21, 0x11, v4, '04'), /past its end/],
  ['a TLS part too short', binary(0x21, 0x11, v4, '2000040100000000'.slice(0, 14)), /too short/],
  ['a wrong checksum', binary(0x21, 0x11, v4, '03000400000000'), /checksum/],
  ['a short checksum', binary(0x21, 0x11, v4, '030003000000'), /checksum/],
])('refused: %s', (_, bytes, reason) => {
  const read = readProxyHeader(Buffer.from(bytes as Buffer))
  expect(read).toEqual({ wrong: expect.stringMatching(reason) })
})
