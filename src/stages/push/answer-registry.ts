// The registry's entry: which endpoint, who asks, may they; then the answer of that endpoint.

import { judge } from '#access/authenticate.ts'
import { type Answer, type Ask, refuse } from '#http/answer.ts'
import type { Handler } from '#http/listener.ts'
import { parseName } from '#oci/name.ts'
import { isAllowed, refuseMethod } from './allowed-methods.ts'
import { answerBlob } from './answer-blob.ts'
import { answerCatalog } from './answer-catalog.ts'
import { answerManifest } from './answer-manifest.ts'
import { answerReferrers } from './answer-referrers.ts'
import { answerStartUpload } from './answer-start-upload.ts'
import { answerTags } from './answer-tags.ts'
import { answerToken } from './answer-token.ts'
import { answerUpload } from './answer-upload.ts'
import { challenge, type RegistryNeed } from './challenge.ts'
import type { RegistryOptions, RepositoryAsk } from './push-stores.ts'
import { parseRegistryPath, type RegistryPath, type RepositoryPath } from './registry-path.ts'

export function registryHandler(options: RegistryOptions): Handler {
  return async (ask) => {
    const answer = await route(ask, options)
    return { ...answer, headers: { 'docker-distribution-api-version': 'registry/2.0', ...answer.headers } }
  }
}

async function route(ask: Ask, options: RegistryOptions): Promise<Answer> {
  const path = parseRegistryPath(ask.path)
  if (!path) return refuse('NOT_FOUND', 'this is no endpoint of the distribution spec')
  const isAdminAllowed = options.isLoopback && isFromThisMachine(ask)
  if (path.kind === 'token') return await answerToken(ask, options, isAdminAllowed)

  const query = new URLSearchParams(ask.query)
  const needs = needsOf(path, ask.method)
  const challenged = (why: Parameters<typeof challenge>[2]) =>
    challenge(options, [...needs, ...helpfulNeeds(path, query)], why)
  const authorization = ask.header('authorization')
  if (authorization === undefined) return challenged('missing')
  const caller = await options.authenticator.authenticate(authorization, isAdminAllowed)
  if (!caller) return challenged('invalid_token')

  const name = 'name' in path ? parseName(path.name) : undefined
  if ('name' in path && !name) {
    return refuse(
      'NAME_INVALID',
      'a name is lower-case words joined by . _ __ - and parted by /, at most 255 characters',
    )
  }
  for (const need of needs) {
    const verdict = judge(caller, need)
    if (verdict === 'scope') return challenged('insufficient_scope')
    if (verdict === 'no') {
      const what = need.kind === 'catalog' ? 'list repositories' : `${need.action} ${need.name}`
      return refuse('DENIED', `${caller.identity.name} may not ${what}`)
    }
  }
  if (!isAllowed(path.kind, ask.method)) return refuseMethod(path.kind)
  if ('name' in path) return await answerRepository(path, { ask, name: name!, query, caller }, options)
  return path.kind === 'catalog' ? await answerCatalog(caller, query, options) : pong
}

async function answerRepository(path: RepositoryPath, at: RepositoryAsk, options: RegistryOptions): Promise<Answer> {
  switch (path.kind) {
    case 'tags':
      return await answerTags(at, options)
    case 'referrers':
      return await answerReferrers(at, path.last, options)
    case 'manifest':
      return await answerManifest(at, path.last, options)
    case 'blob':
      return await answerBlob(at, path.last, options)
    case 'uploads':
      return await answerStartUpload(at, options)
    case 'upload':
      return await answerUpload(at, path.last, options)
  }
}

const pong: Answer = { status: 200, headers: { 'content-type': 'application/json' }, body: '{}' }

const loopback = /^(127\.|::1$)/
const proxyHeaders = ['x-forwarded-for', 'forwarded', 'x-real-ip', 'via']

/** A proxy on this machine speaks for others, so what it passes on does not count. */
function isFromThisMachine(ask: Ask): boolean {
  return loopback.test(ask.peer) && proxyHeaders.every((name) => ask.header(name) === undefined)
}

/** What the caller must be allowed to do. */
function needsOf(path: Exclude<RegistryPath, { kind: 'token' }>, method: string): RegistryNeed[] {
  switch (path.kind) {
    case 'ping':
      return []
    case 'catalog':
      return [{ kind: 'catalog' }]
    case 'uploads':
    case 'upload':
      return [{ kind: 'repository', name: path.name, action: 'push' }]
    default: {
      const action = method === 'PUT' ? 'push' : method === 'DELETE' ? 'delete' : 'pull'
      return [{ kind: 'repository', name: path.name, action }]
    }
  }
}

/** What a challenge asks for besides: with pull on its source a mount spares the upload. */
function helpfulNeeds(path: RegistryPath, query: URLSearchParams): RegistryNeed[] {
  const source = path.kind === 'uploads' && query.has('mount') ? parseName(query.get('from') ?? '') : undefined
  return source ? [{ kind: 'repository', name: source, action: 'pull' }] : []
}
