import { expect, test } from 'bun:test'
import { parseCidr } from '#kit/address.ts'
import { clientAddressReader } from './client-address.ts'

const proxies = ['10.0.0.0/8', 'fd00::/8', '127.0.0.1'].map((text) => parseCidr(text)!)
const read = clientAddressReader(proxies)
const from = (peer: string, forwarded?: string) =>
  read({ peer, header: (name) => (name === 'x-forwarded-for' ? forwarded : undefined) })

test.each([
  ['the peer, without a header', '10.0.0.1', undefined, '10.0.0.1'],
  ['the peer, when it is no proxy of ours', '192.0.2.9', '198.51.100.1', '192.0.2.9'],
  ['what our proxy saw', '10.0.0.1', '198.51.100.1', '198.51.100.1'],
  ['not what the client wrote before it', '10.0.0.1', '8.8.8.8, 198.51.100.1', '198.51.100.1'],
  ['past two proxies of ours', '10.0.0.1', '8.8.8.8, 198.51.100.1, 10.2.2.2', '198.51.100.1'],
  ['joined without spaces', '10.0.0.1', '8.8.8.8,198.51.100.1,10.2.2.2', '198.51.100.1'],
  ['the farthest proxy, when all are ours', '10.0.0.1', '10.3.3.3, 10.2.2.2', '10.3.3.3'],
  ['garbage stops the walk', '10.0.0.1', '198.51.100.1, unknown, 10.2.2.2', '10.2.2.2'],
  ['garbage at the end stops at the peer', '10.0.0.1', '198.51.100.1, <script>', '10.0.0.1'],
  ['an empty entry is garbage', '10.0.0.1', '198.51.100.1, ,', '10.0.0.1'],
  ['a leading comma', '10.0.0.1', ',198.51.100.1', '198.51.100.1'],
  ['only a comma', '10.0.0.1', ',', '10.0.0.1'],
  ['a port', '10.0.0.1', '198.51.100.1:4711', '198.51.100.1'],
  ['IPv6', 'fd00::1', '2001:DB8:0::7', '2001:db8::7'],
  ['IPv6 in brackets with a port', 'fd00::1', '[2001:db8::7]:443', '2001:db8::7'],
  ['a broken bracket', '10.0.0.1', '[2001:db8::7', '10.0.0.1'],
  ['a bad port', '10.0.0.1', '198.51.100.1:http', '10.0.0.1'],
  ['a mapped peer is IPv4', '::ffff:10.0.0.1', '198.51.100.1', '198.51.100.1'],
  ['a mapped entry is IPv4', '10.0.0.1', '::ffff:198.51.100.1', '198.51.100.1'],
  ['a socket file', '', undefined, '0.0.0.0'],
])('%s', (_, peer, forwarded, expected) => {
  expect(from(peer, forwarded).text).toBe(expected)
})

test('tells the family and the prefix', () => {
  const near = from('10.0.0.1', '2001:db8:1:2::3')
  expect(near.family).toBe(6)
  expect(near.prefixKey).toBe(from('10.0.0.1', '2001:db8:1::').prefixKey)
})

test('without trusted proxies no header is looked at', () => {
  const reader = clientAddressReader([])
  const header = () => {
    throw new Error('looked')
  }
  expect(reader({ peer: '::ffff:192.0.2.1', header }).text).toBe('192.0.2.1')
})

test('a header of a hundred thousand hops is walked once', () => {
  const forwarded = `198.51.100.1${', 10.0.0.2'.repeat(100_000)}`
  expect(from('10.0.0.1', forwarded).text).toBe('198.51.100.1')
})
