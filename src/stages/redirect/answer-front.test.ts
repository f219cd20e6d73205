import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtemp, rm, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { originTicketId } from '#access/ticket.ts'
import { mediaTypes } from '#oci/media-type.ts'
import { SnapshotHolder } from '#snapshots/holder.ts'
import {
  bodyOf,
  config,
  digestOf,
  empty,
  type FrontFixture,
  index,
  layer,
  makeAsk,
  manifest,
  openFront,
  otherLayer,
  placed,
  sbom,
  signature,
  tags,
} from '../../../test/kit/front-door.ts'
import { answerFront } from './answer-front.ts'

let folder: string
let fixture: FrontFixture
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'front-'))
  fixture = await openFront(folder)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const ask = async (target: string, headers: Record<string, string> = {}, method = 'GET', front = fixture.front) => {
  const answer = await answerFront(makeAsk(target, headers, method), front)
  const body = await bodyOf(answer)
  return { ...answer, body, json: () => JSON.parse(body.toString()) }
}
const base = '/v2/fedora/base'
const codeOf = (answer: { json(): { errors: { code: string }[] } }) => answer.json().errors[0]!.code

describe('/v2/', () => {
  test.each(['/v2/', '/v2'])('%s is 200 for everybody, before anything was published too', async (path) => {
    const { front } = await openFront(folder, { parts: { holder: new SnapshotHolder('stable') } })
    for (const door of [front, fixture.front]) {
      const answer = await ask(path, {}, 'GET', door)
      expect(answer.status).toBe(200)
      expect(answer.headers['docker-distribution-api-version']).toBe('registry/2.0')
      expect(answer.headers['www-authenticate']).toBeUndefined()
    }
    expect((await ask(`${base}/manifests/latest`, {}, 'GET', front)).status).toBe(503)
  })

  test.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('%s is 405', async (method) => {
    for (const path of ['/v2/', `${base}/blobs/uploads/`, `${base}/manifests/latest`]) {
      const answer = await ask(path, {}, method)
      expect([answer.status, codeOf(answer)]).toEqual([405, 'UNSUPPORTED'])
    }
  })
})

describe('what is refused', () => {
  const unknown = digestOf('unknown')
  test.each([
    ['/', 404, 'NOT_FOUND'],
    ['/v2/unknown', 404, 'NOT_FOUND'],
    ['/v2/none/manifests/latest', 404, 'NAME_UNKNOWN'],
    ['/v2/none/tags/list', 404, 'NAME_UNKNOWN'],
    [`/v2/none/blobs/${unknown}`, 404, 'NAME_UNKNOWN'],
    [`/v2/none/referrers/${unknown}`, 404, 'NAME_UNKNOWN'],
    ['/v2/UPPER/manifests/latest', 400, 'NAME_INVALID'],
    ['/v2/fedora%2fbase/manifests/latest', 400, 'NAME_INVALID'],
    ['/v2/fedora/../fedora/base/manifests/latest', 400, 'NAME_INVALID'],
    ['/v2/fedora/%2e%2e/base/manifests/latest', 400, 'NAME_INVALID'],
    ['/v2//manifests/latest', 400, 'NAME_INVALID'],
    [`${base}/manifests/none`, 404, 'MANIFEST_UNKNOWN'],
    [`${base}/manifests/${unknown}`, 404, 'MANIFEST_UNKNOWN'],
    [`${base}/manifests/sha256:12`, 400, 'DIGEST_INVALID'],
    [`${base}/manifests/.hidden`, 400, 'TAG_INVALID'],
    [`${base}/manifests/..%2f..%2fx`, 400, 'TAG_INVALID'],
    [`${base}/manifests/`, 400, 'TAG_INVALID'],
    [`${base}/blobs/${unknown}`, 404, 'BLOB_UNKNOWN'],
    [`${base}/blobs/sha256:12`, 400, 'DIGEST_INVALID'],
    [`${base}/blobs/..%2fx`, 400, 'DIGEST_INVALID'],
    [`${base}/referrers/latest`, 400, 'DIGEST_INVALID'],
    // A blob of another repository is no way in.
    [`${base}/blobs/${digestOf(otherLayer)}`, 404, 'BLOB_UNKNOWN'],
    [`/v2/other/blobs/${digestOf(layer)}`, 404, 'BLOB_UNKNOWN'],
    [`${base}/tags/list?n=-1`, 400, 'PAGINATION_NUMBER_INVALID'],
    [`${base}/tags/list?n=1.5`, 400, 'PAGINATION_NUMBER_INVALID'],
    [`${base}/tags/list?n=x`, 400, 'PAGINATION_NUMBER_INVALID'],
    ['/v2/_catalog?n=-1', 400, 'PAGINATION_NUMBER_INVALID'],
    [`/blobs/sha256/${digestOf(layer).slice(7, 9)}/${digestOf(layer).slice(7)}`, 404, 'NOT_FOUND'],
    ['/constructor', 404, 'NOT_FOUND'],
    ['/v2/constructor/manifests/__proto__', 404, 'NAME_UNKNOWN'],
    [`${base}/manifests/__proto__`, 404, 'MANIFEST_UNKNOWN'],
  ])('%s: %d %s', async (path, status, code) => {
    for (const method of ['GET', 'HEAD']) {
      const answer = await ask(path, {}, method)
      expect([answer.status, codeOf(answer)]).toEqual([status, code])
    }
  })
})

describe('a manifest', () => {
  const byTag = `${base}/manifests/${tags[0]}`
  const byDigest = `${base}/manifests/${digestOf(manifest)}`

  test.each([byTag, byDigest])(
    '%s: the exact bytes with their headers, and HEAD the same without them',
    async (path) => {
      // Twice: from the pack, then from memory.
      for (const _ of [1, 2]) {
        const answer = await ask(path)
        expect(answer.status).toBe(200)
        expect(answer.body.equals(manifest)).toBe(true)
        expect(answer.headers).toMatchObject({
          'content-type': mediaTypes.ociManifest,
          'docker-content-digest': digestOf(manifest),
          etag: `"${digestOf(manifest)}"`,
          'flotilla-generation': '3',
          'cache-control': path === byTag ? 'no-cache' : 'public, max-age=31536000, immutable',
        })
      }
      const head = await ask(path, {}, 'HEAD')
      expect([head.status, head.contentLength, head.body.length]).toEqual([200, manifest.length, 0])
      expect(head.headers).toEqual((await ask(path)).headers)
    },
  )

  test.each([byTag, byDigest])('%s: 304 to who has it', async (path) => {
    const answer = await ask(path, { 'if-none-match': `"x", "${digestOf(manifest)}"` })
    expect([answer.status, answer.body.length]).toEqual([304, 0])
    expect((await ask(path, { 'if-none-match': '"x"' })).status).toBe(200)
  })

  test.each([
    ['latest', mediaTypes.ociIndex, 200],
    ['latest', `${mediaTypes.ociManifest}, ${mediaTypes.ociIndex};q=0.1`, 200],
    ['latest', '*/*', 200],
    ['latest', mediaTypes.ociManifest, 404],
    ['latest', mediaTypes.dockerList, 404],
    [digestOf(index), mediaTypes.ociManifest, 200],
  ])('%s for who accepts %s: %d', async (reference, accept, status) => {
    const answer = await ask(`${base}/manifests/${reference}`, { accept })
    expect(answer.status).toBe(status)
    if (status === 200) expect(answer.body.equals(index)).toBe(true)
    else expect(codeOf(answer)).toBe('MANIFEST_UNKNOWN')
  })

  test('whose pack was damaged on disk is never sent', async () => {
    const own = await mkdtemp(join(tmpdir(), 'front-damaged-'))
    const { front } = await openFront(own)
    await truncate(join(own, '3-65536.pack'), 500)
    expect(ask(byDigest, {}, 'GET', front)).rejects.toThrow()
    await rm(own, { recursive: true })
  })
})

describe('lists', () => {
  test('tags: sorted, in pages that lead to each other', async () => {
    const whole = await ask(`${base}/tags/list`)
    expect(whole.json()).toEqual({ name: 'fedora/base', tags: ['latest', ...tags] })
    expect(whole.headers.link).toBeUndefined()
    const seen: string[] = []
    let path: string | undefined = `${base}/tags/list?n=10`
    while (path) {
      const page = await ask(path)
      seen.push(...page.json().tags)
      path = /^<(.*)>; rel="next"$/.exec(String(page.headers.link ?? ''))?.[1]
    }
    expect(seen).toEqual(['latest', ...tags])
  })

  test.each([
    ['n=0', []],
    ['n=2', ['latest', 'v00']],
    ['n=2&last=v22', ['v23', 'v24']],
    ['last=v225', ['v23', 'v24']],
    ['last=', ['latest', ...tags]],
    ['n=5&last=zzz', []],
    ['n=1000000000000&last=v23', ['v24']],
    ['n=26', ['latest', ...tags]],
  ])('tags?%s', async (query, expected) => {
    const answer = await ask(`${base}/tags/list?${query}`)
    expect(answer.json().tags).toEqual(expected)
    expect(answer.headers.link !== undefined).toBe(query === 'n=2')
  })

  test('the catalog', async () => {
    expect((await ask('/v2/_catalog')).json()).toEqual({ repositories: ['fedora/base', 'other'] })
    const page = await ask('/v2/_catalog?n=1')
    expect(page.headers.link).toBe('</v2/_catalog?n=1&last=fedora%2Fbase>; rel="next"')
    expect((await ask('/v2/_catalog?n=1&last=fedora%2Fbase')).json()).toEqual({ repositories: ['other'] })
  })

  test('referrers: an index, filtered when asked', async () => {
    const path = `${base}/referrers/${digestOf(manifest)}`
    const answer = await ask(path)
    expect(answer.headers['content-type']).toBe(mediaTypes.ociIndex)
    expect(answer.headers['oci-filters-applied']).toBeUndefined()
    expect(answer.json()).toMatchObject({ schemaVersion: 2, mediaType: mediaTypes.ociIndex })
    const digests = answer.json().manifests.map((one: { digest: string }) => one.digest)
    expect(digests).toEqual([digestOf(sbom), digestOf(signature)].sort())
    const filtered = await ask(`${path}?artifactType=application%2Fspdx%2Bjson`)
    expect(filtered.headers['oci-filters-applied']).toBe('artifactType')
    expect(filtered.json().manifests).toEqual([
      {
        mediaType: mediaTypes.ociManifest,
        digest: digestOf(sbom),
        size: sbom.length,
        artifactType: 'application/spdx+json',
        annotations: { made: 'today' },
      },
    ])
    expect((await ask(`${base}/referrers/${digestOf('none')}`)).json().manifests).toEqual([])
  })
})

describe('a blob from here', () => {
  const small = `${base}/blobs/${digestOf(config)}`
  const large = `${base}/blobs/${digestOf(layer)}`

  test.each<[string, string, Record<string, string>, number, Buffer, string | undefined]>([
    ['a small one', small, {}, 200, config, undefined],
    ['a part of it', small, { range: 'bytes=2-5' }, 206, config.subarray(2, 6), `bytes 2-5/${config.length}`],
    ['its end', small, { range: 'bytes=-3' }, 206, config.subarray(-3), `bytes 21-23/${config.length}`],
    ['parts of it, whole', small, { range: 'bytes=0-1,5-6' }, 200, config, undefined],
    ['a part if it is another', small, { range: 'bytes=2-5', 'if-range': '"x"' }, 200, config, undefined],
    ['a large one, without hosts', large, {}, 200, layer, undefined],
    ['its rest', large, { range: 'bytes=299990-' }, 206, layer.subarray(299_990), 'bytes 299990-299999/300000'],
    ['a manifest', `${base}/blobs/${digestOf(manifest)}`, {}, 200, manifest, undefined],
  ])('%s', async (_, path, headers, status, bytes, contentRange) => {
    const answer = await ask(path, headers)
    expect(answer.status).toBe(status)
    expect(answer.body.equals(bytes)).toBe(true)
    expect(answer.headers['content-range']).toBe(contentRange as never)
    expect(answer.headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'docker-content-digest': path.split('/blobs/')[1]!,
      'accept-ranges': 'bytes',
      'cache-control': 'public, max-age=31536000, immutable',
    })
    expect(answer.headers['content-encoding']).toBeUndefined()
  })

  test.each([small, large])('%s: 416 past its end', async (path) => {
    const answer = await ask(path, { range: 'bytes=300000-' })
    expect([answer.status, codeOf(answer)]).toEqual([416, 'RANGE_INVALID'])
    expect(answer.headers['content-range']).toStartWith('bytes */')
  })

  test('HEAD never redirects, and tells the size', async () => {
    fixture.fleet([placed(1, 'http://192.0.2.1')])
    const head = await ask(large, {}, 'HEAD')
    expect([head.status, head.contentLength]).toEqual([200, layer.length])
    expect(head.headers['docker-content-digest']).toBe(digestOf(layer))
    expect((await ask(large, { 'if-none-match': `"${digestOf(layer)}"` })).status).toBe(304)
    fixture.fleet([], {}, fixture.clock.nowMs + 1)
  })

  test('an empty one, though it counts as large', async () => {
    const { front, fleet } = await openFront(folder, { smallBlobBytes: 0 })
    fleet([placed(1, 'http://192.0.2.1')])
    const answer = await ask(`${base}/blobs/${digestOf(empty)}`, {}, 'GET', front)
    expect([answer.status, answer.body.length]).toEqual([200, 0])
    expect((await ask(large, {}, 'GET', front)).status).toBe(307)
  })

  test('that does not lie here: to the origin, or a plain refusal', async () => {
    const originUrl = 'https://origin.example.org/tree'
    const far = await openFront(folder, { options: { originUrl }, parts: { openBlob: undefined } })
    const answer = await ask(large, {}, 'GET', far.front)
    expect(answer.status).toBe(307)
    const [location = '', ticket = ''] = (answer.headers.location as string).split('?t=')
    const about = { prefixKey: 0x7f0000, digest: digestOf(layer), nowMs: far.clock.nowMs }
    expect(far.front.tickets.check(ticket, about)).toBe(originTicketId)
    // What is good for the origin proves nothing about a host.
    const back = await ask(`/blobs/sha256/${digestOf(layer).slice(7, 9)}/${digestOf(layer).slice(7)}?miss=${ticket}`)
    expect(codeOf(back)).toBe('DENIED')
    expect(location).toBe(`${originUrl}/blobs/sha256/${digestOf(layer).slice(7, 9)}/${digestOf(layer).slice(7)}`)
    expect(answer.headers).toEqual({
      location: `${location}?t=${ticket}`,
      'cache-control': 'no-store',
      'docker-content-digest': digestOf(layer),
      'flotilla-generation': '3',
    })
    const failing = async () => {
      throw new Error('the disk is gone')
    }
    const none = await openFront(folder, { parts: { openBlob: failing } })
    const refused = await ask(large, {}, 'GET', none.front)
    expect([refused.status, codeOf(refused)]).toEqual([503, 'UNAVAILABLE'])
  })
})

test('what was withdrawn is refused with its reason, by whatever name', async () => {
  const { front, holder, fleet } = await openFront(folder)
  fleet([placed(1, 'http://192.0.2.1')])
  const withdrawn = [manifest, layer, config, sbom].map((bytes) => ({
    digest: digestOf(bytes),
    reason: 'a leaked key',
  }))
  holder.takeWithdrawals({ format: 1, version: 1, builtAtMs: 1, withdrawn })
  for (const path of [
    `manifests/${tags[3]}`,
    `manifests/${digestOf(manifest)}`,
    `blobs/${digestOf(layer)}`,
    `blobs/${digestOf(config)}`,
    `blobs/${digestOf(manifest)}`,
  ]) {
    for (const method of ['GET', 'HEAD']) {
      const answer = await ask(`${base}/${path}`, {}, method, front)
      expect([answer.status, codeOf(answer)]).toEqual([403, 'DENIED'])
      expect(answer.body.toString()).toContain('a leaked key')
    }
  }
  const referrers = await ask(`${base}/referrers/${digestOf(manifest)}`, {}, 'GET', front)
  expect(referrers.json().manifests.length).toBe(1)
  expect((await ask(`${base}/manifests/latest`, {}, 'GET', front)).status).toBe(200)
})

describe('lists for people and tools', () => {
  test('/mirrorlist names the hosts that suit, /metalink those of one blob, with its digest', async () => {
    const originUrl = 'https://origin.example.org/a?b&c'
    const { front, fleet } = await openFront(folder, { options: { originUrl } })
    fleet([
      placed(1, 'http://192.0.2.1', { country: 'CZ' }),
      placed(2, 'http://192.0.2.2', { missing: [digestOf(layer)] }),
      placed(3, 'http://192.0.2.3', { excluded: 'off' }),
    ])
    const list = await ask('/mirrorlist', {}, 'GET', front)
    const lines = list.body.toString().trim().split('\n')
    expect(lines.slice(1).sort()).toEqual(['http://192.0.2.1/', 'http://192.0.2.2/'])
    const answer = await ask(`/metalink?digest=${digestOf(layer)}`, {}, 'GET', front)
    expect(answer.headers['content-type']).toBe('application/metalink4+xml')
    const xml = answer.body.toString()
    expect(xml).toContain(`<size>${layer.length}</size>`)
    expect(xml).toContain(`<hash type="sha-256">${digestOf(layer).slice(7)}</hash>`)
    expect(xml).toContain('<url priority="1" location="cz">http://192.0.2.1/blobs/sha256/')
    expect(xml).toContain('https://origin.example.org/a?b&amp;c/blobs/sha256/')
    expect(xml).not.toContain('192.0.2.2')
  })

  test.each([
    ['/metalink', 400],
    ['/metalink?digest=x', 400],
    [`/metalink?digest=${digestOf('none')}`, 404],
    [`/metalink?digest=${digestOf(config)}`, 404],
    ['/mirrorlist', 200],
  ])('%s: %d', async (path, status) => {
    expect((await ask(path)).status).toBe(status)
  })
})
