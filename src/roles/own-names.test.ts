import { expect, test } from 'bun:test'
import { ownNames } from './own-names.ts'

test('the names and addresses of all listeners, each once, without loopback ones', () => {
  const urls = {
    registry: 'https://push.example.org',
    frontdoor: 'https://registry.example.org:8443',
    api: 'http://127.0.0.1:5002',
    origin: 'https://registry.example.org',
    mirror: undefined,
  }
  expect(ownNames({ urls })).toEqual(['push.example.org', 'registry.example.org'])
  const numbers = { registry: 'http://192.0.2.1', frontdoor: 'http://[2001:db8::1]:80', api: 'http://[::1]:1' }
  expect(ownNames({ urls: { ...numbers, origin: undefined, mirror: undefined } })).toEqual([
    '192.0.2.1',
    '[2001:db8::1]',
  ])
})
