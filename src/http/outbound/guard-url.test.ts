import { describe, expect, test } from 'bun:test'
import { guardUrl } from './guard-url.ts'

const strict = { allowPrivate: false }
const open = { allowPrivate: true }

describe('a public URL passes', () => {
  test.each([
    'https://mirror.example.org/flotilla',
    'http://mirror.example.org',
    'http://mirror.example.org:8080/',
    'https://8.8.8.8/',
    'https://[2001:4860::1]:443/',
  ])('%s', (url) => {
    expect(guardUrl(url, strict).href).toStartWith(url.slice(0, 12))
  })
})

describe('refused', () => {
  test.each([
    ['ftp://mirror.example.org/', /only http/],
    ['file:///etc/passwd', /only http/],
    ['gopher://127.0.0.1:6379/_x', /only http/],
    ['javascript:alert(1)', /only http/],
    ['mirror.example.org', /no absolute URL/],
    ['//mirror.example.org/', /no absolute URL/],
    ['', /no absolute URL/],
    ['http://', /no absolute URL/],
    ['http://user@mirror.example.org/', /credentials/],
    ['http://user:secret@mirror.example.org/', /credentials/],
    ['http://:secret@mirror.example.org/', /credentials/],
    ['http://mirror.example.org:22/', /port 22/],
    ['http://mirror.example.org:25/', /port 25/],
    [`http://mirror.example.org/${'a'.repeat(4096)}`, /characters/],
    ['http://127.0.0.1/', /loopback/],
    ['http://127.1/', /loopback/],
    ['http://2130706433/', /loopback/],
    ['http://0x7f000001/', /loopback/],
    ['http://0177.0.0.1/', /loopback/],
    ['http://127.0.0.1./', /loopback/],
    ['http://①②⑦.0.0.1/', /loopback/],
    ['http://[::1]/', /loopback/],
    ['http://[::ffff:127.0.0.1]/', /loopback/],
    ['http://[64:ff9b::7f00:1]/', /loopback/],
    ['http://[2002:7f00:1::]/', /loopback/],
    ['http://10.1.2.3/', /private/],
    ['http://192.168.1.1/', /private/],
    ['http://[fd00::1]/', /private/],
    ['http://100.64.0.1/', /shared/],
    ['http://169.254.1.1/', /link-local/],
    ['http://[fe80::1]/', /link-local/],
    ['http://169.254.169.254/latest/meta-data/', /metadata/],
    ['http://[::ffff:a9fe:a9fe]/', /metadata/],
    ['http://224.0.0.1/', /multicast/],
    ['http://0.0.0.0/', /unspecified/],
    ['http://0/', /unspecified/],
    ['http://[::]/', /unspecified/],
    ['http://255.255.255.255/', /reserved/],
  ])('%s', (url, reason) => {
    expect(() => guardUrl(url, strict)).toThrow(reason)
  })

  test.each([
    'http://169.254.169.254/',
    'http://224.0.0.1/',
    'http://0.0.0.0/',
    'http://[fe80::1]/',
    'http://[fd00:ec2::254]/',
  ])('%s even where private addresses are allowed', (url) => {
    expect(() => guardUrl(url, open)).toThrow(/refused/)
  })
})

test.each(['http://127.0.0.2:81/', 'http://10.0.0.1/', 'http://[::1]:5003/', 'http://100.64.0.1/'])(
  '%s passes where private addresses are allowed',
  (url) => {
    expect(guardUrl(url, open).href).toBe(url)
  },
)
