// Who may come in: 401 first, challenges, the token endpoint, and what robots are held to.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { emptyConfig, makeImage, pushBlob, pushImage, randomBlob } from './content.ts'
import { expectError } from './expect-error.ts'
import { ask, type Client, type Registry, startRegistry } from './registry.ts'

let registry: Registry
const secretBlob = randomBlob(64)
const image = makeImage()

beforeAll(async () => {
  registry = await startRegistry()
  await pushImage(registry.builder, 'b/x', 'latest', image)
  await pushBlob(registry.builder, 'b/x', secretBlob)
  await pushImage(registry.builder, 'a/y', 'latest', makeImage())
})
afterAll(async () => await registry[Symbol.asyncDispose]())

const bare = (method: string, path: string, headers: Record<string, string> = {}) =>
  ask(registry.url, method, path, { headers })

describe('401 first', () => {
  const digest = secretBlob.digest
  const endpoints: [string, string, string | undefined][] = [
    ['GET', '/v2/', undefined],
    ['GET', '/v2/_catalog', 'registry:catalog:*'],
    ['GET', '/v2/b/x/tags/list', 'repository:b/x:pull'],
    ['GET', '/v2/b/x/manifests/latest', 'repository:b/x:pull'],
    ['GET', '/v2/no/such/manifests/latest', 'repository:no/such:pull'],
    ['PUT', '/v2/b/x/manifests/latest', 'repository:b/x:pull,push'],
    ['DELETE', '/v2/b/x/manifests/latest', 'repository:b/x:delete'],
    ['GET', `/v2/b/x/blobs/${digest}`, 'repository:b/x:pull'],
    ['DELETE', `/v2/b/x/blobs/${digest}`, 'repository:b/x:delete'],
    ['POST', '/v2/b/x/blobs/uploads/', 'repository:b/x:pull,push'],
    ['PATCH', '/v2/b/x/blobs/uploads/1', 'repository:b/x:pull,push'],
    ['GET', '/v2/b/x/blobs/uploads/1', 'repository:b/x:pull,push'],
    ['GET', `/v2/b/x/referrers/${digest}`, 'repository:b/x:pull'],
    ['POST', `/v2/a/y/blobs/uploads/?mount=${digest}&from=b/x`, 'repository:a/y:pull,push repository:b/x:pull'],
    ['POST', `/v2/a/y/blobs/uploads/?mount=${digest}&from=B%22X`, 'repository:a/y:pull,push'],
    ['GET', '/v2/UPPER/tags/list', undefined],
    ['GET', '/v2/a%22,x=%22/tags/list', undefined],
  ]
  test.each(endpoints)('%s %s asks for %s', async (method, path, scope) => {
    const answer = await bare(method, path)
    expectError(answer, 401, 'UNAUTHORIZED')
    expect(answer.headers.get('www-authenticate')).toBe(
      `Bearer realm="${registry.url}/token",service="flotilla"${scope ? `,scope="${scope}"` : ''}`,
    )
  })

  test('the ping tells the version of the API, whether it lets in or not', async () => {
    for (const answer of [await bare('GET', '/v2/'), await registry.builder.ask('GET', '/v2/')])
      expect(answer.headers.get('docker-distribution-api-version')).toBe('registry/2.0')
  })

  test('the realm does not come from the Host header', async () => {
    const answer = await bare('GET', '/v2/', { host: 'evil.example' })
    expect(answer.headers.get('www-authenticate')).toContain(`realm="${registry.url}/token"`)
  })

  const wrong: [string, string][] = [
    ['an unknown user', `Basic ${btoa('nobody:secret')}`],
    ['a wrong secret', `Basic ${btoa('builder:secret')}`],
    ['no colon', `Basic ${btoa('builder')}`],
    ['no base64', 'Basic ~~~~'],
    ['an empty secret', `Basic ${btoa('builder:')}`],
    ['another scheme', 'Negotiate abc'],
    ['nothing behind the scheme', 'Bearer'],
    ['a bare word', 'Bearer abc'],
    ['three empty parts', 'Bearer ..'],
  ]
  test.each(wrong)('%s is invalid_token', async (_, authorization) => {
    const answer = await bare('GET', '/v2/', { authorization })
    expectError(answer, 401, 'UNAUTHORIZED')
    expect(answer.headers.get('www-authenticate')).toContain(',error="invalid_token"')
  })
})

describe('the token endpoint', () => {
  type Token = { token: string; access_token: string; expires_in: number; issued_at: string }

  test('GET gives the same token under both names, with its life', async () => {
    const answer = await registry.builder.ask('GET', '/token?service=flotilla&scope=repository:b/x:pull')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const token = answer.json<Token>()
    expect(token.access_token).toBe(token.token)
    expect(token.expires_in).toBeGreaterThanOrEqual(60)
    expect(Date.parse(token.issued_at)).toBeLessThanOrEqual(Date.now())
    const read = await bare('GET', '/v2/b/x/tags/list', { authorization: `Bearer ${token.token}` })
    expect(read.status).toBe(200)
  })

  test('POST takes a form, as OAuth 2 has it', async () => {
    const body = new URLSearchParams({
      grant_type: 'password',
      service: 'flotilla',
      client_id: 'a-test',
      username: registry.builder.user,
      password: registry.builder.secret,
      scope: 'repository:b/x:pull,push',
    }).toString()
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const answer = await ask(registry.url, 'POST', '/token', { body, headers })
    expect(answer.status).toBe(200)
    const authorization = `Bearer ${answer.json<Token>().access_token}`
    expect((await bare('POST', '/v2/b/x/blobs/uploads/', { authorization })).status).toBe(202)
    const wrong = await ask(registry.url, 'POST', '/token', { body: body.replace(/flt_\w+/, 'flt_0'), headers })
    expectError(wrong, 401, 'UNAUTHORIZED')
    const refresh = await ask(registry.url, 'POST', '/token', { body: 'grant_type=refresh_token', headers })
    expectError(refresh, 400, 'UNSUPPORTED')
    const large = await ask(registry.url, 'POST', '/token', { body: 'x'.repeat(20_000), headers })
    expectError(large, 413, 'REQUEST_INVALID')
  })

  test('strangers get none', async () => {
    const answer = await bare('GET', '/token?scope=repository:b/x:pull')
    expectError(answer, 401, 'UNAUTHORIZED')
    expect(answer.headers.get('www-authenticate')).toBe('Basic realm="flotilla"')
    expectError(await bare('GET', '/token', { authorization: `Basic ${btoa('nobody:x')}` }), 401, 'UNAUTHORIZED')
    expectError(await bare('PUT', '/token'), 405, 'UNSUPPORTED')
  })

  test('more scopes than one token can need are refused', async () => {
    const query = Array.from({ length: 65 }, (_, at) => `scope=repository:r${at}:pull`).join('&')
    expectError(await registry.builder.ask('GET', `/token?${query}`), 400, 'REQUEST_INVALID')
  })

  test('a token is no way to another token', async () => {
    const authorization = `Bearer ${await registry.builder.token('repository:b/x:pull')}`
    expectError(await bare('GET', '/token?scope=repository:b/x:push', { authorization }), 401, 'UNAUTHORIZED')
  })
})

describe('a token opens what it was issued for and nothing else', () => {
  const cases: [string, string[], string, string, number, string | undefined][] = [
    ['reads', ['repository:b/x:pull'], 'GET', '/v2/b/x/manifests/latest', 200, undefined],
    ['no push', ['repository:b/x:pull'], 'POST', '/v2/b/x/blobs/uploads/', 401, 'repository:b/x:pull,push'],
    ['another repository', ['repository:a/y:pull'], 'GET', '/v2/b/x/tags/list', 401, 'repository:b/x:pull'],
    ['no scope at all', [], 'GET', '/v2/b/x/tags/list', 401, 'repository:b/x:pull'],
    ['no scope pings', [], 'GET', '/v2/', 200, undefined],
    ['no catalogue', ['repository:b/x:pull'], 'GET', '/v2/_catalog', 401, 'registry:catalog:*'],
    ['the catalogue', ['registry:catalog:*'], 'GET', '/v2/_catalog', 200, undefined],
    ['only the catalogue', ['registry:catalog:*'], 'GET', '/v2/b/x/tags/list', 401, 'repository:b/x:pull'],
    ['unknown types', ['plugin:b/x:pull'], 'GET', '/v2/b/x/tags/list', 401, 'repository:b/x:pull'],
    ['a prefix is no name', ['repository:b:pull'], 'GET', '/v2/b/x/tags/list', 401, 'repository:b/x:pull'],
    ['two in one text', ['repository:a/y:pull repository:b/x:pull'], 'GET', '/v2/b/x/tags/list', 200, undefined],
  ]
  test.each(cases)('%s', async (_, scopes, method, path, status, wanted) => {
    const authorization = `Bearer ${await registry.builder.token(...scopes)}`
    const answer = await bare(method, path, { authorization })
    expect(answer.status).toBe(status)
    const challenge = answer.headers.get('www-authenticate')
    if (wanted) expect(challenge).toContain(`,scope="${wanted}",error="insufficient_scope"`)
    else expect(challenge).toBeNull()
  })

  test('what the robot may not do is dropped from its token', async () => {
    const authorization = `Bearer ${await registry.builder.token('repository:b/x:pull,push,delete,*')}`
    expectError(await bare('DELETE', '/v2/b/x/manifests/latest', { authorization }), 403, 'DENIED')
  })

  test('a mount asks for pull on its source', async () => {
    const path = `/v2/a/y/blobs/uploads/?mount=${image.blobs[0]!.digest}&from=b/x`
    const narrow = `Bearer ${await registry.builder.token('repository:a/y:pull,push')}`
    const refused = await bare('POST', path, { authorization: narrow })
    expectError(refused, 401, 'UNAUTHORIZED')
    const scope = /scope="([^"]*)"/.exec(refused.headers.get('www-authenticate')!)![1]!
    expect(scope).toBe('repository:a/y:pull,push repository:b/x:pull')
    const wide = `Bearer ${await registry.builder.token(scope)}`
    expect((await bare('POST', path, { authorization: wide })).status).toBe(201)
  })
})

describe('a robot is held to its grants', () => {
  let robot: Client
  beforeAll(async () => {
    robot = await registry.robot('robot-a', 'repository:a/**:pull,push')
    await pushBlob(robot, 'a/own', emptyConfig)
  })

  const refused: [string, string][] = [
    ['GET', '/v2/b/x/tags/list'],
    ['GET', '/v2/b/x/manifests/latest'],
    ['GET', `/v2/b/x/manifests/${image.manifest.digest}`],
    ['GET', `/v2/b/x/blobs/${secretBlob.digest}`],
    ['HEAD', `/v2/b/x/blobs/${secretBlob.digest}`],
    ['GET', `/v2/b/x/referrers/${image.manifest.digest}`],
    ['POST', '/v2/b/x/blobs/uploads/'],
    ['POST', '/v2/a/blobs/uploads/'],
    ['POST', '/v2/ab/blobs/uploads/'],
    ['PUT', '/v2/b/x/manifests/latest'],
    ['DELETE', '/v2/a/own/manifests/latest'],
    ['DELETE', `/v2/a/own/blobs/${emptyConfig.digest}`],
  ]
  test.each(refused)('%s %s is DENIED', async (method, path) => {
    const answer = await robot.ask(method, path)
    expect(answer.status).toBe(403)
    if (method !== 'HEAD') expectError(answer, 403, 'DENIED')
  })

  test('a blob of another repository is not reached through an own one', async () => {
    expectError(await robot.ask('GET', `/v2/a/own/blobs/${secretBlob.digest}`), 404, 'BLOB_UNKNOWN')
    expectError(await robot.ask('GET', `/v2/a/own/manifests/${image.manifest.digest}`), 404, 'MANIFEST_UNKNOWN')
  })

  test.each(['&from=b/x', ''])('nor mounted (%s): it starts an upload, as if the blob were nowhere', async (from) => {
    const known = await robot.ask('POST', `/v2/a/own/blobs/uploads/?mount=${secretBlob.digest}${from}`)
    const unknown = await robot.ask('POST', `/v2/a/own/blobs/uploads/?mount=${randomBlob(8).digest}${from}`)
    for (const answer of [known, unknown]) {
      expect(answer.status).toBe(202)
      expect(answer.headers.get('location')).toStartWith('/v2/a/own/blobs/uploads/')
    }
    expect([...known.headers.keys()]).toEqual([...unknown.headers.keys()])
    expect((await robot.ask('HEAD', `/v2/a/own/blobs/${secretBlob.digest}`)).status).toBe(404)
  })

  test('nor put together by a manifest that names it', async () => {
    const { bytes, mediaType } = image.manifest
    const options = { body: bytes, headers: { 'content-type': mediaType } }
    expectError(await robot.ask('PUT', '/v2/a/own/manifests/stolen', options), 404, 'MANIFEST_BLOB_UNKNOWN')
  })

  test('the catalogue shows what it may pull', async () => {
    expect((await robot.ask('GET', '/v2/_catalog')).json<unknown>()).toEqual({ repositories: ['a/y'] })
    expect((await registry.admin.ask('GET', '/v2/_catalog')).json<unknown>()).toEqual({ repositories: ['a/y', 'b/x'] })
  })

  test('pull alone does not push, push alone does not pull', async () => {
    const reader = await registry.robot('reader', 'repository:a/y:pull')
    expect((await reader.ask('GET', '/v2/a/y/tags/list')).status).toBe(200)
    expectError(await reader.ask('POST', '/v2/a/y/blobs/uploads/'), 403, 'DENIED')
    const writer = await registry.robot('writer', 'repository:a/y:push')
    expect((await writer.ask('POST', '/v2/a/y/blobs/uploads/')).status).toBe(202)
    expectError(await writer.ask('GET', '/v2/a/y/tags/list'), 403, 'DENIED')
  })

  test('a revoked robot is out at once, with the token that it already has', async () => {
    const leaver = await registry.robot('leaver', 'repository:a/**:pull,push')
    const authorization = `Bearer ${await leaver.token('repository:a/y:pull')}`
    expect((await bare('GET', '/v2/a/y/tags/list', { authorization })).status).toBe(200)
    await registry.flotilla.run('token', 'revoke', 'leaver')
    expectError(await bare('GET', '/v2/a/y/tags/list', { authorization }), 401, 'UNAUTHORIZED')
    expectError(await leaver.ask('GET', '/v2/a/y/tags/list'), 401, 'UNAUTHORIZED')
    expectError(await leaver.ask('GET', '/token'), 401, 'UNAUTHORIZED')
  })

  test('the admin token works here from this machine only', async () => {
    expect((await registry.admin.ask('GET', '/v2/')).status).toBe(200)
    for (const header of ['x-forwarded-for', 'forwarded', 'x-real-ip', 'via']) {
      const answer = await registry.admin.ask('GET', '/v2/', { headers: { [header]: '127.0.0.1' } })
      expectError(answer, 401, 'UNAUTHORIZED')
    }
  })
})
