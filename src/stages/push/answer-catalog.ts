import type { Caller } from '#access/authenticate.ts'
import { decide } from '#access/decide.ts'
import { listRepositories } from '#catalogue/repositories.ts'
import type { Answer } from '#http/answer.ts'
import type { RepositoryName } from '#oci/name.ts'
import { pageAnswer, pageSize } from './page.ts'
import type { RegistryOptions } from './push-stores.ts'

/** Repositories that the caller may pull, in byte order, in pages. */
export async function answerCatalog(
  { identity }: Caller,
  query: URLSearchParams,
  { catalogue, channel, maxPageSize }: RegistryOptions,
): Promise<Answer> {
  const limit = pageSize(query, maxPageSize)
  const found: RepositoryName[] = []
  let after = query.get('last') ?? ''
  while (limit > 0 && found.length <= limit) {
    const batch = await listRepositories(catalogue, channel, after, maxPageSize)
    found.push(...batch.filter((name) => decide(identity, { kind: 'repository', name, action: 'pull' })))
    if (batch.length < maxPageSize) break
    after = batch.at(-1)!
  }
  const repositories = found.slice(0, limit)
  const next = new URLSearchParams({ n: String(limit), last: repositories.at(-1) ?? '' })
  return pageAnswer(
    'application/json',
    { repositories },
    limit > 0 && found.length > limit ? `/v2/_catalog?${next}` : undefined,
  )
}
