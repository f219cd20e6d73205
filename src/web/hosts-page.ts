import { html } from 'hono/html'
import type { HostsView } from '#api/client/status-views.ts'
import { count, type Html } from './format.ts'
import { hostsTable } from './hosts-table.ts'
import type { Page, PageAsk } from './page.ts'
import { linkTo, matches, pager, search } from './parts.ts'

const path = '/hosts'
const choices = [
  ['', 'All'],
  ['yes', 'Used'],
  ['no', 'Not used'],
] as const

export async function hostsPage({ client, query, nowMs }: PageAsk): Promise<Page> {
  const [q, after, used] = ['q', 'after', 'used'].map((name) => query.get(name) ?? '') as [string, string, string]
  const view = await client.get<HostsView>('/api/v1/status/hosts', { q, after, used, limit: 50 })
  return {
    title: 'Hosts',
    section: 'hosts',
    body: html`<h1>Hosts</h1>
      <p class="lead">Volunteers’ servers that carry the image layers. Every host is checked before clients are sent to it, and again and again after that.</p>
      ${search({ path, label: 'Host name', q, kept: { used } })}
      <nav class="choice" aria-label="Which hosts">${choices.map(([value, name]) => choice(value, name, { used, q }))}</nav>
      <p>${matches(view.matches, q, 'host', 'hosts')}.${privateNote(view.private)}</p>
      ${view.hosts.length === 0 ? html`<p class="empty">No host is like that.</p>` : hostsTable(view, nowMs)}
      ${pager({ path, query: { q, used, after }, next: view.next, what: 'hosts' })}`,
  }
}

function choice(value: string, name: string, { used, q }: { readonly used: string; readonly q: string }): Html {
  const to = linkTo(path, { q, used: value })
  return value === used ? html`<a href="${to}" aria-current="true">${name}</a>` : html`<a href="${to}">${name}</a>`
}

export function privateNote(hosts: number): string {
  if (hosts === 0) return ''
  return hosts === 1
    ? ' One more host is private and serves its own network only.'
    : ` ${count(hosts)} more hosts are private and serve their own networks only.`
}
