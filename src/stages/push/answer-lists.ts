// Tags of a repository and the catalogue of repositories, in byte order, in pages.

import { type Caller, judge } from '#access/authenticate.ts'
import { listTags } from '#catalogue/channels.ts'
import { findRepositoryId, listRepositories } from '#catalogue/repositories.ts'
import { type Answer, type Ask, refuse } from '#http/answer.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/name.ts'
import type { RegistryOptions, RepositoryAsk } from './push-stores.ts'

/** `n` of a query. Undefined: the page size decides, no client chose. More than a page holds is cut to it, and `Link` leads on. */
export function parsePageSize(text: string | null, maxPageSize: number): number | undefined {
  if (text === null) return undefined
  if (!/^\d{1,9}$/.test(text)) {
    throw new RegistryError('PAGINATION_NUMBER_INVALID', 'n must be a whole number from 0 to 999999999')
  }
  return Math.min(Number(text), maxPageSize)
}

export async function answerTags(
  { name, query }: RepositoryAsk,
  { catalogue, channel, maxPageSize }: RegistryOptions,
): Promise<Answer> {
  const limit = parsePageSize(query.get('n'), maxPageSize) ?? maxPageSize
  const repositoryId = await findRepositoryId(catalogue, name)
  if (repositoryId === undefined) return refuse('NAME_UNKNOWN', `there is no repository ${name}`)
  const found = limit === 0 ? [] : await listTags(catalogue, repositoryId, channel, query.get('last') ?? '', limit + 1)
  const tags = found.slice(0, limit).map((row) => row.tag)
  return page(
    JSON.stringify({ name, tags }),
    found.length > limit ? `/v2/${name}/tags/list?n=${limit}&last=${encodeURIComponent(tags.at(-1)!)}` : undefined,
  )
}

export async function answerCatalog(
  _ask: Ask,
  query: URLSearchParams,
  caller: Caller,
  { catalogue, channel, maxPageSize }: RegistryOptions,
): Promise<Answer> {
  const limit = parsePageSize(query.get('n'), maxPageSize) ?? maxPageSize
  const found: RepositoryName[] = []
  let after = query.get('last') ?? ''
  while (limit > 0 && found.length <= limit) {
    const batch = await listRepositories(catalogue, channel, after, maxPageSize)
    found.push(
      ...batch.filter(
        (name) => judge({ ...caller, scopes: undefined }, { kind: 'repository', name, action: 'pull' }) === 'yes',
      ),
    )
    if (batch.length < maxPageSize) break
    after = batch.at(-1)!
  }
  const repositories = found.slice(0, limit)
  const next =
    found.length > limit && limit > 0
      ? `/v2/_catalog?n=${limit}&last=${encodeURIComponent(repositories.at(-1)!)}`
      : undefined
  return page(JSON.stringify({ repositories }), next)
}

function page(body: string, next: string | undefined): Answer {
  return {
    status: 200,
    headers: { 'content-type': 'application/json', ...(next ? { link: `<${next}>; rel="next"` } : {}) },
    body,
  }
}
