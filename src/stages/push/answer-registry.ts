// The registry's entry: which endpoint, who asks, may they; then the answer of that endpoint.

import { judge } from '#access/authenticate.ts'
import type { RepositoryAction } from '#access/grants.ts'
import { formatScope, type Scope } from '#access/registry-token.ts'
import { type Answer, type Ask, refuse } from '#http/answer.ts'
import type { Handler } from '#http/listener.ts'
import { parseName } from '#oci/name.ts'
import { answerBlob } from './answer-blob.ts'
import { answerCatalog, answerTags } from './answer-lists.ts'
import { answerManifest } from './answer-manifest.ts'
import { answerReferrers } from './answer-referrers.ts'
import { answerToken } from './answer-token.ts'
import { answerStartUpload, answerUpload } from './answer-upload.ts'
import type { RegistryOptions, RepositoryAsk } from './push-stores.ts'
import { parseRegistryPath, type RegistryPath } from './registry-path.ts'

const loopback = /^(127\.|::1$)/

export function registryHandler(options: RegistryOptions): Handler {
  return async (ask) => {
    const answer = await route(ask, options)
    return { ...answer, headers: { 'docker-distribution-api-version': 'registry/2.0', ...answer.headers } }
  }
}

async function route(ask: Ask, options: RegistryOptions): Promise<Answer> {
  const path = parseRegistryPath(ask.path)
  if (!path) return refuse('NOT_FOUND', 'this is no endpoint of the distribution spec')
  const isAdminAllowed = options.isLoopback && loopback.test(ask.peer) && ask.header('x-forwarded-for') === undefined
  if (path.kind === 'token') return await answerToken(ask, options, isAdminAllowed)

  const query = new URLSearchParams(ask.query)
  const needs = needsOf(path, ask, query)
  const authorization = ask.header('authorization')
  const caller =
    authorization === undefined ? undefined : await options.authenticator.authenticate(authorization, isAdminAllowed)
  if (!caller) return challenge(options, needs, authorization === undefined ? undefined : 'invalid_token')
  if (path.kind === 'ping')
    return isRead(ask) ? { status: 200, headers: { 'content-type': 'application/json' }, body: '{}' } : notAllowed()
  if (path.kind === 'catalog') return isRead(ask) ? await answerCatalog(ask, query, caller, options) : notAllowed()

  const name = 'name' in path ? parseName(path.name) : undefined
  if (!name)
    return refuse(
      'NAME_INVALID',
      'a name is lower-case words joined by . _ __ - and parted by /, at most 255 characters',
    )
  const first = needs[0]!
  for (const action of first.actions) {
    const verdict = judge(caller, { kind: 'repository', name, action })
    if (verdict === 'scope') return challenge(options, needs, 'insufficient_scope')
    if (verdict === 'no') return refuse('DENIED', `${caller.identity.name} may not ${action} ${name}`)
  }
  return await dispatch(path, { ask, name, query, caller }, options)
}

async function dispatch(path: RegistryPath, at: RepositoryAsk, options: RegistryOptions): Promise<Answer> {
  switch (path.kind) {
    case 'tags':
      return isRead(at.ask) ? await answerTags(at, options) : notAllowed()
    case 'referrers':
      return isRead(at.ask) ? await answerReferrers(at, path.last, options) : notAllowed()
    case 'manifest':
      return await answerManifest(at, path.last, options)
    case 'blob':
      return await answerBlob(at, path.last, options)
    case 'uploads':
      return at.ask.method === 'POST' ? await answerStartUpload(at, options) : notAllowed()
    case 'upload':
      return await answerUpload(at, path.last, options)
    default:
      return notAllowed()
  }
}

const isRead = (ask: Ask) => ask.method === 'GET' || ask.method === 'HEAD'
const notAllowed = () => refuse('UNSUPPORTED', 'this endpoint does not know that method')

/** The first scope must be held; further ones (the source of a mount) only help and are asked for in the same challenge. */
function needsOf(path: RegistryPath, ask: Ask, query: URLSearchParams): Scope[] {
  if (!('name' in path)) return []
  const isUpload = path.kind === 'uploads' || path.kind === 'upload'
  const actions: RepositoryAction[] =
    isUpload || ask.method === 'PUT' ? ['pull', 'push'] : ask.method === 'DELETE' ? ['delete'] : ['pull']
  const source = path.kind === 'uploads' && query.has('mount') ? parseName(query.get('from') ?? '') : undefined
  return [
    { name: path.name, actions: isUpload || ask.method === 'PUT' ? ['push'] : actions },
    ...(source ? [{ name: source, actions: ['pull'] as const }] : []),
  ]
}

/** RFC 6750 section 3, in the form of distribution's token spec. A quote or control character cannot reach the header: names are checked. */
function challenge(
  options: RegistryOptions,
  needs: readonly Scope[],
  error: 'invalid_token' | 'insufficient_scope' | undefined,
): Answer {
  const wanted = needs
    .filter((scope) => parseName(scope.name))
    .map((scope) =>
      formatScope({ name: scope.name, actions: scope.actions.includes('push') ? ['pull', 'push'] : scope.actions }),
    )
    .join(' ')
  const parts = [
    `Bearer realm="${options.realm}"`,
    `service="${options.service}"`,
    ...(wanted ? [`scope="${wanted}"`] : []),
    ...(error ? [`error="${error}"`] : []),
  ]
  const detail =
    error === 'invalid_token'
      ? 'the credentials are unknown, expired or revoked'
      : 'log in, or ask for a token with this scope'
  return refuse('UNAUTHORIZED', detail, { headers: { 'www-authenticate': parts.join(',') } })
}
