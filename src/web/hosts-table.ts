// Hosts, and why each is used or not.

import { html } from 'hono/html'
import type { HostsView, HostView } from '#api/client/status-views.ts'
import { ago, count, type Html } from './format.ts'

const states = {
  used: ['good', 'Used'],
  off: ['bad', 'Not used'],
  unprobed: ['wait', 'Not checked yet'],
  dead: ['bad', 'Does not answer'],
  open: ['bad', 'Closed after failures'],
  draining: ['wait', 'Draining'],
} as const satisfies Record<HostView['state'], readonly [string, string]>

/** More are counted. */
const mostCountries = 6

const outcomes: Readonly<Record<string, string>> = {
  complete: 'all checked',
  partial: 'checked in part',
  behind: 'behind',
  trouble: 'could not ask',
  unsuitable: 'unsuitable answers',
  lying: 'wrong bytes',
}

export function hostsTable({ hosts, generation }: HostsView, nowMs: number): Html {
  return html`<table role="table" class="stack hosts">
    <caption>Hosts, and why each is used or not. Clients are sent to a host only for what it is proven to hold.</caption>
    <thead role="rowgroup"><tr role="row">
      <th role="columnheader" scope="col">Host</th>
      <th role="columnheader" scope="col">State</th>
      <th role="columnheader" scope="col">Holds</th>
      <th role="columnheader" scope="col">Grade</th>
      <th role="columnheader" scope="col">Place</th>
      <th role="columnheader" scope="col">Checked</th>
    </tr></thead>
    <tbody role="rowgroup">${hosts.map((host) => hostRow(host, generation, nowMs))}</tbody>
  </table>`
}

function hostRow(host: HostView, generation: number, nowMs: number): Html {
  const [tone, word] = states[host.state]
  return html`<tr role="row">
    <th role="rowheader" scope="row" class="name">${hostName(host)}<span class="sub"><bdi>${host.site}</bdi></span></th>
    <td role="cell" data-label="State"><div><span class="badge ${tone}">${word}</span>${
      host.reason === undefined ? '' : html`<span class="why"><bdi>${sentence(host.reason)}</bdi></span>`
    }</div></td>
    <td role="cell" data-label="Holds"><div>${holds(host, generation)}</div></td>
    <td role="cell" data-label="Grade"><div>${host.grade}</div></td>
    <td role="cell" data-label="Place"><div>${host.country ?? html`<span class="none">not told</span>`}${
      host.allowedCountries.length === 0
        ? ''
        : html`<span class="sub">serves ${countries(host.allowedCountries)}</span>`
    }</div></td>
    <td role="cell" data-label="Checked"><div>${lookedAt(host, nowMs)}</div></td>
  </tr>`
}

/** Linked where the address is one that a browser may follow. */
function hostName({ name, urls }: HostView): Html {
  const url = urls.find((one) => /^https?:\/\//.test(one))
  return url === undefined
    ? html`<bdi>${name}</bdi>`
    : html`<a href="${url}" rel="nofollow noopener noreferrer"><bdi>${name}</bdi></a>`
}

function holds({ generation: held, missing, extra }: HostView, generation: number): Html {
  if (held === 0 && extra === 0) return html`<span class="none">nothing proven</span>`
  const notes = [
    missing === 0 ? '' : `but for ${count(missing, 'blob')}`,
    extra === 0 ? '' : `and ${count(extra, 'blob')} of later ones`,
  ].filter((note) => note !== '')
  const what =
    held === 0
      ? 'parts only'
      : held < generation
        ? `generation ${held} of ${generation}`
        : `${missing === 0 ? 'all of ' : ''}generation ${held}`
  return html`${what}${notes.length === 0 ? '' : html`<span class="sub">${notes.join(', ')}</span>`}`
}

function countries(codes: readonly string[]): string {
  return codes.length > mostCountries ? `${count(codes.length)} countries only` : `only ${codes.join(', ')}`
}

function lookedAt({ checkedAt, roundTripMs, lastCrawl }: HostView, nowMs: number): Html {
  const probe =
    checkedAt === undefined
      ? html`<span class="none">no probe yet</span>`
      : html`probe ${ago(checkedAt, nowMs)}${roundTripMs === undefined ? '' : `, ${Math.max(1, Math.round(roundTripMs))}\u00a0ms`}`
  const crawl = lastCrawl
    ? html`crawl ${ago(lastCrawl.at, nowMs)}: ${outcomes[lastCrawl.outcome] ?? lastCrawl.outcome}`
    : html`no crawl yet`
  return html`${probe}<span class="sub">${crawl}</span>`
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`
}
