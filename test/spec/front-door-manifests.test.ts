// Manifests at the front door as real clients ask for them, all ways to write a request, and what never says where a client is.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mediaTypes } from '#oci/media-type.ts'
import { config, digestOf, index, layer, manifest, placed } from '../kit/front-door.ts'
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
import { openWire } from '../kit/wire.ts'

let front: FrontListener
beforeAll(async () => {
  front = await openFrontListener()
})
afterAll(() => front[Symbol.asyncDispose]())
const ask: FrontListener['ask'] = (...about) => front.ask(...about)

describe('a manifest', () => {
  const { ociManifest, ociIndex, dockerManifest, dockerList } = mediaTypes
  const docker1710 = [
    dockerManifest,
    dockerList,
    'application/vnd.docker.distribution.manifest.v1+prettyjws',
    'application/json',
  ]
  const latest = `${base}/manifests/latest`
  test.each<[string, string, readonly string[], number, Buffer | undefined]>([
    ['no Accept', byTag, [], 200, manifest],
    ['an empty one', byTag, ['Accept:'], 200, manifest],
    ['everything', byTag, ['Accept: */*'], 200, manifest],
    ['its kind', byTag, ['Accept: application/*'], 200, manifest],
    ['the type', byTag, [`Accept: ${ociManifest}`], 200, manifest],
    ['the type in capitals', byTag, [`ACCEPT: ${ociManifest.toUpperCase()}`], 200, manifest],
    ['in repeated lines', byTag, [dockerManifest, ociIndex, ociManifest].map((one) => `Accept: ${one}`), 200, manifest],
    ['with qualities', byTag, [`Accept: ${dockerManifest};q=0.9,${ociManifest};q=0.1`], 200, manifest],
    [
      'as containerd',
      latest,
      [`Accept: ${dockerManifest}, ${dockerList}, ${ociManifest}, ${ociIndex}, */*`],
      200,
      index,
    ],
    ['refused by quality', byTag, [`Accept: */*, ${ociManifest};q=0`], 404, undefined],
    ['as docker 17 and older', byTag, docker1710.map((one) => `Accept: ${one}`), 404, undefined],
    ['as docker 17 and older, an index', latest, docker1710.map((one) => `Accept: ${one}`), 404, undefined],
    ['as docker 17 and older, by digest', byDigest, docker1710.map((one) => `Accept: ${one}`), 200, manifest],
    ['an index for who knows none', latest, [`Accept: ${ociManifest}`], 404, undefined],
    ['other types by digest', byDigest, ['Accept: text/html'], 200, manifest],
    ['known by tag', byTag, [`If-None-Match: ${etag(manifest)}`], 304, undefined],
    ['known by tag, weakly, in a list', byTag, [`If-None-Match: ${other}, W/${etag(manifest)}`], 304, undefined],
    ['known by digest', byDigest, ['If-None-Match: *'], 304, undefined],
    ['the tag moved on', byTag, [`If-None-Match: ${other}`], 200, manifest],
    ['a Range, which is not for manifests', byTag, ['Range: bytes=0-9'], 200, manifest],
    ['packed bytes accepted', byTag, ['Accept-Encoding: gzip, zstd'], 200, manifest],
  ])('%s', async (_, target, lines, status, bytes) => {
    const answer = await ask(target, lines)
    expect(answer.status).toBe(status)
    if (bytes) expect(answer.body.equals(bytes)).toBe(true)
    if (status === 404) expect(answer.body.toString()).toContain('MANIFEST_UNKNOWN')
    else {
      const isTagged = !target.includes('sha256:')
      expect(answer.header('etag')).toBe(etag(bytes ?? manifest))
      expect(answer.header('cache-control')).toBe(isTagged ? 'no-cache' : 'public, max-age=31536000, immutable')
      // Of the headers only Accept changes the answer, and only by tag.
      expect(answer.header('vary')).toBe(isTagged ? 'accept' : undefined)
    }
    expect(answer.header('content-encoding')).toBeUndefined()
  })
})

describe('ways to ask', () => {
  const encoded = (text: string) => text.replace(':', '%3A')
  test.each<[string, string, '1.0' | '1.1', number]>([
    ['an absolute address', `http://registry.example.org${blob(config)}`, '1.1', 200],
    ['an absolute address of another name', `http://elsewhere.example.net${blob(layer)}`, '1.1', 307],
    ['an encoded colon in a blob', encoded(blob(config)), '1.1', 200],
    ['an encoded colon in a manifest', encoded(byDigest), '1.1', 200],
    ['an encoded colon in referrers', encoded(referrers), '1.1', 200],
    ['a lower-case encoded colon', encoded(blob(config)).replace('%3A', '%3a'), '1.1', 200],
    ['a slash that is encoded', blob(config).replace('fedora/base', 'fedora%2Fbase'), '1.1', 400],
    ['a letter that is encoded', blob(config).replace('sha256', '%73ha256'), '1.1', 200],
    ['a broken escape', `${base}/manifests/%zz`, '1.1', 400],
    ['HTTP/1.0, a redirect', blob(layer), '1.0', 307],
    ['HTTP/1.0, a manifest', byTag, '1.0', 200],
  ])('%s', async (_, target, version, status) => {
    const answer = await ask(target, [], { version })
    expect(answer.status).toBe(status)
    if (status === 307) expect(answer.header('location')).toStartWith(front.host.url)
    if (version === '1.0') expect(answer.header('connection')).toBe('close')
  })

  test('HTTP/1.0 without a Host, and kept open', async () => {
    await using wire = await openWire(front.listener)
    for (const _ of [1, 2]) {
      await wire.send(`GET ${byTag} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`)
      const answer = await wire.receive()
      expect([answer.status, answer.header('connection')]).toEqual([200, 'keep-alive'])
      expect(answer.body.equals(manifest)).toBe(true)
    }
  })
})

describe('where a client is', () => {
  test('the query never says', async () => {
    front.fixture.fleet(
      [placed(1, front.host.url, { ticket: 'none', netblocks: ['198.51.100.0/24'], isPrivate: true })],
      {},
      front.fixture.clock.nowMs + 1,
    )
    for (const query of ['ip=198.51.100.7', 'client=198.51.100.7', 'address=198.51.100.7', 'ip=%31%39%38.51.100.7']) {
      const list = await ask(`/mirrorlist?${query}`)
      expect(list.body.toString()).not.toContain(front.host.url)
      const link = await ask(`/metalink?digest=${digestOf(layer)}&${query}`)
      expect(link.body.toString()).not.toContain(front.host.url)
      expect((await ask(`${blob(layer)}?${query}`)).status).toBe(200)
    }
    // The header of a trusted proxy does, over repeated lines and joined ones, from the right.
    const seen = 'X-Forwarded-For: 198.51.100.7'
    expect((await ask('/mirrorlist', [seen])).body.toString()).toContain(front.host.url)
    expect((await ask('/mirrorlist', ['X-Forwarded-For: 8.8.8.8, 198.51.100.7'])).body.toString()).toContain(
      front.host.url,
    )
    expect((await ask('/mirrorlist', [seen, 'X-Forwarded-For: 127.0.0.1'])).body.toString()).toContain(front.host.url)
    expect((await ask('/mirrorlist', [seen, 'X-Forwarded-For: 8.8.8.8'])).body.toString()).not.toContain(front.host.url)
    for (const name of ['Forwarded: for=', 'X-Real-IP: ', 'X-Client-IP: ', 'True-Client-IP: ']) {
      const answer = await ask('/mirrorlist', [`${name}198.51.100.7`])
      expect(answer.body.toString()).not.toContain(front.host.url)
    }
  })

  test.each([
    ['the header of the connection', '198.51.100.7', [], true],
    ['not what the client adds to it', '192.0.2.9', ['X-Forwarded-For: 198.51.100.7'], false],
    ['and not less for it', '198.51.100.7', ['X-Forwarded-For: 192.0.2.9'], true],
    ['what a trusted proxy says that it names', '127.0.0.1', ['X-Forwarded-For: 198.51.100.7'], true],
  ])('behind the PROXY protocol: %s', async (_, named, lines, isThere) => {
    await using proxied = await openFrontListener({ isTrustedProxy: () => true, proxyProtocol: 'on' })
    const { fixture, host, listener } = proxied
    fixture.fleet(
      [placed(1, host.url, { netblocks: ['198.51.100.0/24'], isPrivate: true })],
      {},
      fixture.clock.nowMs + 1,
    )
    await using wire = await openWire(listener)
    const request = ['GET /mirrorlist HTTP/1.1', 'Host: x', ...lines, '', ''].join('\r\n')
    await wire.send(`PROXY TCP4 ${named} 192.0.2.1 1 2\r\n${request}`)
    expect((await wire.receive()).body.toString().includes(host.url)).toBe(isThere)
  })
})
