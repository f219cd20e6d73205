import type { Answer } from '#http/answer.ts'
import { RegistryError } from '#oci/errors.ts'

/** The largest `n` that is taken; a page may hold less, then `Link` leads on. */
const maxAsked = 2 ** 31 - 1

/** How many entries go in one page: `n` of the query, never more than `maxPageSize`. */
export function pageSize(query: URLSearchParams, maxPageSize: number): number {
  const text = query.get('n')
  if (text === null) return maxPageSize
  const asked = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (!(asked <= maxAsked)) {
    throw new RegistryError('PAGINATION_NUMBER_INVALID', `n must be a whole number from 0 to ${maxAsked}`)
  }
  return Math.min(asked, maxPageSize)
}

/** `next` is the path and query of the page after this one; undefined on the last. */
export function pageAnswer(contentType: string, body: unknown, next: string | undefined): Answer {
  return {
    status: 200,
    headers: { 'content-type': contentType, ...(next ? { link: `<${next}>; rel="next"` } : {}) },
    body: JSON.stringify(body),
  }
}
