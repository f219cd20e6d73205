// The PROXY protocol header, versions 1 and 2: what a proxy says of the connection that it hands on, before the first byte of it.
// https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt
//
//   v1   PROXY TCP4 192.0.2.1 198.51.100.1 40000 443\r\n           at most 107 bytes; PROXY UNKNOWN …\r\n
//   v2   signature 12 | version, command 1 | family, transport 1 | length 2 | addresses and ports | TLVs (type 1, length 2, value)
import { type Address, formatAddress, ipv4, parseAddress } from '#kit/address.ts'

/** What the header says; `client` undefined: the connection is the proxy's own (a health check), or of no family of ours. */
export type ProxyHeader = {
  readonly client: string | undefined
  /** Whether the client came over TLS, where the proxy tells. */
  readonly isTls: boolean
  /** Where the client's own bytes begin. */
  readonly end: number
}

/** `absent`: no header begins here. `partial`: nobody can tell yet. A string in `wrong`: what is wrong with it. */
export type ProxyHeaderRead = ProxyHeader | 'absent' | 'partial' | { readonly wrong: string }

/** nginx takes as many; HAProxy with all of its TLVs stays below a tenth of it. */
export const maxProxyHeaderBytes = 4096

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const word = Buffer.from('PROXY ', 'latin1')
const longestLine = 107
const fixedBytes = 16

const wrong = (what: string) => ({ wrong: what }) as const

function beginsLike(bytes: Buffer, start: Buffer): 'yes' | 'no' | 'partial' {
  const length = Math.min(bytes.length, start.length)
  if (bytes.compare(start, 0, length, 0, length) !== 0) return 'no'
  return length === start.length ? 'yes' : 'partial'
}

export function readProxyHeader(bytes: Buffer): ProxyHeaderRead {
  const asLine = beginsLike(bytes, word)
  if (asLine === 'yes') return readLine(bytes)
  const asBinary = beginsLike(bytes, signature)
  if (asBinary === 'yes') return readBinary(bytes)
  return asLine === 'partial' || asBinary === 'partial' ? 'partial' : 'absent'
}

function isPort(text: string | undefined): boolean {
  return text !== undefined && /^(?:0|[1-9][0-9]{0,4})$/.test(text) && Number(text) <= 65_535
}

function readLine(bytes: Buffer): ProxyHeaderRead {
  const newline = bytes.subarray(0, longestLine).indexOf(10)
  if (newline < 0) return bytes.length < longestLine ? 'partial' : wrong('its line is longer than 107 bytes')
  if (bytes[newline - 1] !== 13) return wrong('its line does not end with CR LF')
  const [, family, source, target, sourcePort, targetPort, ...more] = bytes
    .toString('latin1', 0, newline - 1)
    .split(' ')
  const end = newline + 1
  if (family === 'UNKNOWN') return { client: undefined, isTls: false, end }
  if (family !== 'TCP4' && family !== 'TCP6') return wrong('its family is neither TCP4, TCP6 nor UNKNOWN')
  const client = addressOf(source, family)
  if (!client || !addressOf(target, family)) return wrong(`its addresses are not of ${family}`)
  if (!isPort(sourcePort) || !isPort(targetPort) || more.length > 0) return wrong('its ports are not well formed')
  return { client: formatAddress(client), isTls: false, end }
}

/** TCP6 may carry a mapped IPv4 address, which is the IPv4 address. */
function addressOf(text: string | undefined, family: 'TCP4' | 'TCP6'): Address | undefined {
  if (text === undefined || text.includes(':') !== (family === 'TCP6')) return undefined
  return parseAddress(text)
}

function readBinary(bytes: Buffer): ProxyHeaderRead {
  if (bytes.length < fixedBytes) return 'partial'
  const command = bytes[12]!
  if (command !== 0x20 && command !== 0x21) return wrong('its version or command is unknown')
  const end = fixedBytes + bytes.readUInt16BE(14)
  if (end > maxProxyHeaderBytes) return wrong(`it is longer than ${maxProxyHeaderBytes} bytes`)
  if (bytes.length < end) return 'partial'
  // LOCAL: whatever follows is to be passed over unread.
  if (command === 0x20) return { client: undefined, isTls: false, end }
  return readProxied(bytes.subarray(0, end))
}

const addressBytes: Readonly<Record<number, number>> = { 0: 0, 1: 12, 2: 36, 3: 216 }

function readProxied(header: Buffer): ProxyHeaderRead {
  const protocol = header[13]!
  const size = addressBytes[protocol >> 4]
  if (size === undefined || (protocol & 15) > 2) return wrong('its address family is unknown')
  const tlvs = fixedBytes + size
  if (tlvs > header.length) return wrong('it ends within its addresses')
  const extras = readTlvs(header, tlvs)
  if ('wrong' in extras) return extras
  return { client: clientOf(header, protocol), isTls: extras.isTls, end: header.length }
}

/** As HAProxy: of what is neither TCP over IPv4 nor over IPv6 the address of the connection itself stays. */
function clientOf(header: Buffer, protocol: number): string | undefined {
  if (protocol === 0x11) return formatAddress(ipv4(header.readUInt32BE(16)))
  if (protocol !== 0x21) return undefined
  const [w0, w1, w2, w3] = [16, 20, 24, 28].map((at) => header.readUInt32BE(at)) as [number, number, number, number]
  if (w0 === 0 && w1 === 0 && w2 === 0xffff) return formatAddress(ipv4(w3))
  return formatAddress({ family: 6, w0, w1, w2, w3 })
}

const typeCrc32c = 0x03
const typeSsl = 0x20
const clientSsl = 0x01

function readTlvs(header: Buffer, start: number): { readonly isTls: boolean } | { readonly wrong: string } {
  let isTls = false
  for (let at = start; at < header.length; ) {
    const value = at + 3
    const next = value <= header.length ? value + header.readUInt16BE(at + 1) : Number.POSITIVE_INFINITY
    if (next > header.length) return wrong('a TLV reaches past its end')
    const type = header[at]!
    if (type === typeCrc32c) {
      if (next - value !== 4 || !hasChecksum(header, value)) return wrong('its checksum does not fit')
    } else if (type === typeSsl) {
      if (next - value < 5) return wrong('its TLS part is too short')
      isTls ||= (header[value]! & clientSsl) !== 0
    }
    at = next
  }
  return { isTls }
}

/** CRC-32C of the whole header, the checksum itself as zeros. */
function hasChecksum(header: Buffer, at: number): boolean {
  let crc = 0xffffffff
  for (let i = 0; i < header.length; i++) {
    crc ^= i >= at && i < at + 4 ? 0 : header[i]!
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return (crc ^ 0xffffffff) >>> 0 === header.readUInt32BE(at)
}
