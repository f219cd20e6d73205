// Blobs at the front door to the letter of HTTP, over its own listener: what clients and caches on the way may rely on.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { blobPath } from '#oci/digest.ts'
import { mediaTypes } from '#oci/media-type.ts'
import { config, digestOf, largeConfig, layer, manifest } from '../kit/front-door.ts'
import {
  base,
  blob,
  byDigest,
  byTag,
  etag,
  type FrontListener,
  openFrontListener,
  other,
  referrers,
} from '../kit/front-listener.ts'
import type { WireAnswer } from '../kit/wire.ts'

let front: FrontListener
beforeAll(async () => {
  front = await openFrontListener()
})
afterAll(() => front[Symbol.asyncDispose]())
const ask: FrontListener['ask'] = (...about) => front.ask(...about)

describe('a redirect', () => {
  test.each<[string, string[]]>([
    ['a plain GET', []],
    ['a part', ['Range: bytes=0-99']],
    ['several parts', ['Range: bytes=0-1,5-6']],
    ['an open range', ['Range: bytes=0-']],
    ['with credentials', ['Authorization: Bearer secret', 'Cookie: a=secret']],
    ['another copy known', [`If-None-Match: ${other}`]],
    ['packed bytes accepted', ['Accept-Encoding: zstd;q=1.0, gzip;q=0.8, deflate;q=0.5']],
    ['nothing but manifests accepted', [`Accept: ${mediaTypes.ociManifest}`]],
  ])('%s', async (_, lines) => {
    const answer = await ask(blob(layer), lines)
    expect([answer.status, answer.body.length]).toEqual([307, 0])
    expect(answer.header('location')).toMatch(
      new RegExp(`^${front.host.url}/${blobPath(digestOf(layer))}\\?t=[\\w-]+$`),
    )
    const names = answer.head
      .split('\r\n')
      .slice(1)
      .map((line) => line.split(':')[0]!.toLowerCase())
    // No Vary, no ETag, nothing that a cache could keep it by, and nothing of what the client sent.
    expect(names.sort()).toEqual([
      'cache-control',
      'content-length',
      'date',
      'docker-content-digest',
      'flotilla-generation',
      'location',
    ])
    expect(answer.header('cache-control')).toBe('no-store')
    expect(answer.head).not.toContain('secret')
  })

  test.each([
    ['HEAD of it', blob(layer), [], 'HEAD'],
    ['HEAD of a part', blob(layer), ['Range: bytes=0-99'], 'HEAD'],
    ['what the client has', blob(layer), [`If-None-Match: ${etag(layer)}`], 'GET'],
    ['a small blob', blob(config), [], 'GET'],
    ['a large config', blob(largeConfig), [], 'GET'],
    ['a part of a large config', blob(largeConfig), ['Range: bytes=0-99'], 'GET'],
    ['a manifest as a blob', blob(manifest), [], 'GET'],
    ['a manifest by tag', byTag, [], 'GET'],
    ['a manifest by digest', byDigest, [], 'GET'],
    ['HEAD of a manifest', byTag, [], 'HEAD'],
    ['tags', `${base}/tags/list`, [], 'GET'],
    ['referrers', referrers, [], 'GET'],
    ['the catalog', '/v2/_catalog', [], 'GET'],
    ['/v2/', '/v2/', [], 'GET'],
  ] as const)('%s is none', async (_, target, lines, method) => {
    const answer = await ask(target, lines, { method })
    expect([200, 206, 304]).toContain(answer.status)
    expect(answer.header('location')).toBeUndefined()
    expect(answer.header('content-encoding')).toBeUndefined()
  })
})

describe('a blob from here', () => {
  const size = config.length
  const part = (first: number, last: number) => [
    206,
    config.subarray(first, last + 1),
    `bytes ${first}-${last}/${size}`,
  ]
  const whole = [200, config, undefined]
  const none = [416, undefined, `bytes */${size}`]
  const known = [304, Buffer.alloc(0), undefined]
  test.each([
    [[], whole],
    [['Range: bytes=2-5'], part(2, 5)],
    [['range:bytes=2-5'], part(2, 5)],
    [['Range: BYTES=2-5'], part(2, 5)],
    [['Range: bytes=2-'], part(2, size - 1)],
    [['Range: bytes=2-99999999999999999999'], part(2, size - 1)],
    [['Range: bytes=-3'], part(size - 3, size - 1)],
    [['Range: bytes=-9999'], part(0, size - 1)],
    [['Range: bytes=0-0'], part(0, 0)],
    [[`Range: bytes=${size - 1}-`], part(size - 1, size - 1)],
    [['Range: bytes=2-5,'], part(2, 5)],
    // Allowed by RFC 9110, 14.2; clients take it as `no`.
    [['Range: bytes=0-1,4-5'], whole],
    [['Range: bytes=0-1', 'Range: bytes=4-5'], whole],
    [['Range: bytes=0-1, 999-'], part(0, 1)],
    [['Range: lines=1-2'], whole],
    [['Range: bytes=5-2'], none],
    [['Range: bytes=a-b'], whole],
    [['Range: bytes='], whole],
    [[`Range: bytes=${size}-`], none],
    [['Range: bytes=-0'], none],
    [['Range: bytes=99999999999999999999-'], none],
    [['Range: bytes=2-5', `If-Range: ${etag(config)}`], part(2, 5)],
    [['Range: bytes=2-5', `If-Range: ${other}`], whole],
    [['Range: bytes=2-5', `If-Range: W/${etag(config)}`], whole],
    [['Range: bytes=2-5', 'If-Range: Tue, 01 Jan 2030 00:00:00 GMT'], whole],
    [[`If-Range: ${other}`], whole],
    [[`If-None-Match: ${etag(config)}`], known],
    [[`If-None-Match: W/${etag(config)}`], known],
    [[`If-None-Match: ${other}, W/"x" , ${etag(config)}`], known],
    [[`If-None-Match: ${other}`, `If-None-Match: ${etag(config)}`], known],
    [['If-None-Match: *'], known],
    [[`If-None-Match: ${other}`], whole],
    [[`If-None-Match: ${etag(config).slice(0, -2)}"`], whole],
    [[`If-None-Match: ${digestOf(config)}`], whole],
    [[`If-None-Match: ${etag(config)}`, 'Range: bytes=2-5'], known],
    [[`If-None-Match: ${other}`, 'Range: bytes=2-5'], part(2, 5)],
    [['Accept-Encoding: zstd;q=1.0, gzip;q=0.8, deflate;q=0.5'], whole],
    [['Accept-Encoding: gzip, identity;q=0'], whole],
  ] as [string[], [number, Buffer | undefined, string | undefined]][])('%j', async (lines, expected) => {
    const [status, bytes, contentRange] = expected
    const answer = await ask(blob(config), lines)
    expect(answer.status).toBe(status)
    if (bytes) expect(answer.body.equals(bytes)).toBe(true)
    expect(answer.header('content-range')).toBe(contentRange)
    expect(answer.header('content-encoding')).toBeUndefined()
    expect(answer.header('vary')).toBeUndefined()
    expect(answer.header('docker-content-digest')).toBe(digestOf(config))
    if (status === 416) return
    expect(answer.header('etag')).toBe(etag(config))
    expect(answer.header('cache-control')).toBe('public, max-age=31536000, immutable')
    if (status === 304) return
    expect(answer.header('accept-ranges')).toBe('bytes')
    expect(answer.header('content-length')).toBe(String(bytes!.length))
  })
})

describe('HEAD says what GET says, without a byte', () => {
  test.each([
    ['a small blob', blob(config), []],
    ['a large config', blob(largeConfig), []],
    ['a manifest by tag', byTag, []],
    ['a manifest by digest', byDigest, []],
    ['a manifest as a blob', blob(manifest), []],
    ['tags', `${base}/tags/list`, []],
    ['tags, a page', `${base}/tags/list?n=2`, []],
    ['referrers', referrers, []],
    ['the catalog', '/v2/_catalog', []],
    ['/v2/', '/v2/', []],
    ['the mirror list', '/mirrorlist', []],
    ['a metalink', `/metalink?digest=${digestOf(layer)}`, []],
    ['a blob that is not there', blob(Buffer.from('none')), []],
    ['a manifest that is not there', `${base}/manifests/none`, []],
    ['a type that is not accepted', byTag, ['Accept: text/html']],
    ['what is known', byTag, [`If-None-Match: ${etag(manifest)}`]],
  ])('%s', async (_, target, lines) => {
    const [get, head] = [await ask(target, lines), await ask(target, lines, { method: 'HEAD' })]
    const headers = ({ head }: WireAnswer) =>
      head
        .replace(/^date: .*\r\n/m, '')
        .split('\r\n')
        .sort()
    expect(headers(head)).toEqual(headers(get))
    if (get.status !== 304) expect(head.header('content-length')).toBe(String(get.body.length))
  })

  test('a Range changes nothing of it', async () => {
    for (const bytes of [layer, config, largeConfig]) {
      const answer = await ask(blob(bytes), ['Range: bytes=0-0'], { method: 'HEAD' })
      expect([answer.status, answer.header('content-length')]).toEqual([200, String(bytes.length)])
      expect(answer.header('accept-ranges')).toBe('bytes')
    }
  })
})
