// Pages of a sorted list (`n`, `last`, and a Link to the next), as tags and the catalog have them.
import { type Answer, refuse } from '#http/answer.ts'
import { queryValue } from './query.ts'

/** However much is asked for: the answer is made in memory. */
export const maxPageSize = 10_000

export type Page = { readonly items: readonly string[]; readonly link: string | undefined }

function isAnswer(value: Page | Answer): value is Answer {
  return 'status' in value
}

/** The first place after `last`, which need not be in the list. */
function placeAfter(sorted: readonly string[], last: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle]! <= last) low = middle + 1
    else high = middle
  }
  return low
}

/** `path` is where the next page is asked for. */
export function pageOf(sorted: readonly string[], query: string, path: string): Page | Answer {
  const n = queryValue(query, 'n')
  if (n !== undefined && !/^\d+$/.test(n)) {
    return refuse('PAGINATION_NUMBER_INVALID', 'n must be a whole number, 0 or more')
  }
  const size = Math.min(n === undefined ? maxPageSize : Number(n), maxPageSize)
  if (size === 0) return { items: [], link: undefined }
  const last = queryValue(query, 'last')
  const start = last === undefined ? 0 : placeAfter(sorted, last)
  const items = sorted.slice(start, start + size)
  if (start + size >= sorted.length) return { items, link: undefined }
  return { items, link: `<${path}?n=${size}&last=${encodeURIComponent(items.at(-1)!)}>; rel="next"` }
}

/** A page in its JSON document. */
export function answerPage(
  page: Page | Answer,
  headers: Readonly<Record<string, string>>,
  document: (items: readonly string[]) => object,
): Answer {
  if (isAnswer(page)) return page
  const link = page.link === undefined ? {} : { link: page.link }
  return {
    status: 200,
    headers: { ...headers, 'content-type': 'application/json', 'cache-control': 'no-cache', ...link },
    body: JSON.stringify(document(page.items)),
  }
}
