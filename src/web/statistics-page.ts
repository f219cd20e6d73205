// Who pulls what, and where it comes from, in sums.

import { html } from 'hono/html'
import type { StatisticsView } from '#api/client/status-views.ts'
import { bytes, count, type Html } from './format.ts'
import type { Page, PageAsk } from './page.ts'
import { linkTo } from './parts.ts'

const path = '/statistics'
const kinds = [
  ['repository', 'Repositories', 'Repository'],
  ['tag', 'Tags', 'Tag'],
  ['host', 'Hosts', 'Host'],
  ['country', 'Countries', 'Country'],
] as const
const periods = [
  ['day', 'Last day'],
  ['month', 'Last month'],
  ['year', 'Last year'],
] as const

type Row = StatisticsView['rows'][number]
type Column = { readonly title: string; readonly value: (row: Row) => number; readonly show: (value: number) => string }

const toHosts: Column = { title: 'Sent by hosts', value: (row) => row.redirectedBytes, show: bytes }
const fromHere: Column = {
  title: 'Sent from here',
  value: (row) => row.manifestBytes + row.packedBytes + row.originBytes + row.streamedBytes,
  show: bytes,
}
const layers: Column = {
  title: 'Layers',
  value: ({ redirects, origin, streams }) => redirects + origin + streams,
  show: count,
}
const redirects: Column = { title: 'Layers', value: (row) => row.redirects, show: count }
const manifests: Column = { title: 'Manifests', value: (row) => row.manifests, show: count }
const refused: Column = { title: 'Refused', value: (row) => row.refused, show: count }
const looks: Column = { title: 'Looked up', value: (row) => row.told, show: count }

/** The first is drawn as bars. */
const columnsOf: Readonly<Record<StatisticsView['by'], readonly Column[]>> = {
  repository: [toHosts, fromHere, layers, manifests, refused],
  tag: [{ ...manifests, title: 'Pulled' }, looks],
  host: [toHosts, redirects],
  country: [toHosts, fromHere, layers, manifests],
}

export async function statisticsPage({ client, query }: PageAsk): Promise<Page> {
  const [by, period] = [query.get('by') ?? 'repository', query.get('period') ?? 'day']
  const view = await client.get<StatisticsView>('/api/v1/status/statistics', { by, period })
  const choices = <T extends readonly (readonly [string, string, ...string[]])[]>(all: T, name: 'by' | 'period') =>
    all.map(([value, title]) => {
      const chosen = { by, period, [name]: value }
      const isOwn = (name === 'by' ? by : period) === value
      const to = linkTo(path, chosen)
      return isOwn ? html`<a href="${to}" aria-current="true">${title}</a>` : html`<a href="${to}">${title}</a>`
    })
  return {
    title: 'Statistics',
    section: 'statistics',
    body: html`<h1>Statistics</h1>
      <p class="lead">What the front doors of channel ${view.channel} answered, in sums. No client is recorded: there are counts by name, and nothing else.</p>
      <nav class="choice" aria-label="By what">${choices(kinds, 'by')}</nav>
      <nav class="choice" aria-label="For which time">${choices(periods, 'period')}</nav>
      ${view.rows.length === 0 ? html`<p class="empty">Nothing was counted in this time.</p>` : statisticsTable(view)}
      <p class="note">${note(view.by)} Counts come in every ten seconds, and this page is at most fifteen seconds old.</p>`,
  }
}

function note(by: StatisticsView['by']): string {
  if (by === 'tag')
    return 'Looked up: clients that only asked where the tag points; docker does so before it pulls by digest.'
  if (by === 'country') return 'By an address database; countries with very few requests are counted as others.'
  return 'Bytes are those asked for; a part of a layer counts its part.'
}

function statisticsTable({ by, rows }: StatisticsView): Html {
  const columns = columnsOf[by]
  const [first] = columns
  const heading = kinds.find(([kind]) => kind === by)![2]
  const most = Math.max(1, ...rows.map(first!.value))
  return html`<table role="table" class="stack statistics">
    <caption>Most answers first.</caption>
    <thead role="rowgroup"><tr role="row">
      <th role="columnheader" scope="col">${heading}</th>
      ${columns.map(({ title }) => html`<th role="columnheader" scope="col" class="number">${title}</th>`)}
    </tr></thead>
    <tbody role="rowgroup">${rows.map(
      (row) => html`<tr role="row">
        <th role="rowheader" scope="row" class="name"><bdi>${nameOf(row, by)}</bdi>${bar(first!.value(row) / most)}</th>
        ${columns.map(({ title, value, show }) => html`<td role="cell" class="number" data-label="${title}"><div>${show(value(row))}</div></td>`)}
      </tr>`,
    )}</tbody>
  </table>`
}

function nameOf({ subject }: Row, by: StatisticsView['by']): string {
  if (subject === '(other)') return 'All others'
  if (subject === '(unknown)') return by === 'country' ? 'Not known' : 'Nothing that is published'
  return subject
}

/** The number stands beside it. */
function bar(part: number): Html {
  const width = Math.round(part * 1000) / 10
  return html`<svg class="bar" aria-hidden="true" width="100%" height="6"><rect width="${width}%" height="6" rx="3"></rect></svg>`
}
