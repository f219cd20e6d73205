// Pieces that several pages share.

import { html } from 'hono/html'
import { count, type Html } from './format.ts'

/** One click or tap selects all of it. */
export function command(text: string): Html {
  return html`<code class="command">${text}</code>`
}

export function pullCommand(frontdoorUrl: string | undefined, repository: string, tag: string): Html {
  const address = frontdoorUrl?.replace(/^https?:\/\//, '') ?? '<front door>'
  return command(`docker pull ${address}/${repository}:${tag}`)
}

export const repositoryPath = (name: string) => `/repositories/${encodeURI(name)}`

/** The query of the page that is shown, with what changes; empty values are left out. */
export function linkTo(path: string, query: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(query).filter(
    (pair): pair is [string, string] => pair[1] !== undefined && pair[1] !== '',
  )
  const text = new URLSearchParams(given).toString()
  return text === '' ? path : `${path}?${text}`
}

export function search({
  path,
  label,
  q,
  kept = {},
}: {
  readonly path: string
  readonly label: string
  readonly q: string
  /** What else stays chosen. */
  readonly kept?: Readonly<Record<string, string>>
}): Html {
  const hidden = Object.entries(kept).map(([name, value]) =>
    value === '' ? '' : html`<input type="hidden" name="${name}" value="${value}">`,
  )
  return html`<form role="search" action="${path}" method="get">
    ${hidden}
    <label for="q">${label}</label>
    <input id="q" name="q" type="search" value="${q}" maxlength="255" autocomplete="off" spellcheck="false">
    <button type="submit">Find</button>
    ${q === '' ? '' : html`<a href="${linkTo(path, kept)}">Show all</a>`}
  </form>`
}

type PagerParts = {
  readonly path: string
  readonly query: Readonly<Record<string, string | undefined>>
  readonly next: string | undefined
  readonly what: string
}

export function pager({ path, query, next, what }: PagerParts): Html | '' {
  const isFirst = query.after === undefined || query.after === ''
  if (isFirst && next === undefined) return ''
  return html`<nav class="pager" aria-label="Pages of ${what}">
    ${isFirst ? '' : html`<a href="${linkTo(path, { ...query, after: undefined })}">First page</a>`}
    ${next === undefined ? '' : html`<a rel="next" href="${linkTo(path, { ...query, after: next })}">Next page</a>`}
  </nav>`
}

export function matches(total: number, q: string, one: string, many: string): Html {
  const counted = count(total, one, many)
  return q === '' ? html`${counted}` : html`${counted} with “<bdi>${q}</bdi>” in the name`
}
