import { listTags } from '#catalogue/channels.ts'
import { findRepositoryId } from '#catalogue/repositories.ts'
import { type Answer, refuse } from '#http/answer.ts'
import { pageAnswer, pageSize } from './page.ts'
import type { RegistryOptions, RepositoryAsk } from './push-stores.ts'

/** Tags of a repository, in byte order, in pages. */
export async function answerTags(
  { name, query }: RepositoryAsk,
  { catalogue, channel, maxPageSize }: RegistryOptions,
): Promise<Answer> {
  const limit = pageSize(query, maxPageSize)
  const repositoryId = await findRepositoryId(catalogue, name)
  if (repositoryId === undefined) return refuse('NAME_UNKNOWN', `there is no repository ${name}`)
  const found = limit === 0 ? [] : await listTags(catalogue, repositoryId, channel, query.get('last') ?? '', limit + 1)
  const tags = found.slice(0, limit).map((row) => row.tag)
  const next = new URLSearchParams({ n: String(limit), last: tags.at(-1) ?? '' })
  return pageAnswer(
    'application/json',
    { name, tags },
    found.length > limit ? `/v2/${name}/tags/list?${next}` : undefined,
  )
}
