import { html } from 'hono/html'
import type { OverviewView, RepositoryView } from '#api/client/status-views.ts'
import { bytes, count, type Html } from './format.ts'
import type { Page, PageAsk } from './page.ts'
import { matches, pager, pullCommand, repositoryPath, search } from './parts.ts'

/** More of them want a way to find one. */
const tagsAtAGlance = 12

export async function repositoryPage(name: string, { client, query }: PageAsk): Promise<Page> {
  const [q, after] = ['q', 'after'].map((one) => query.get(one) ?? '') as [string, string]
  const view = await client.get<RepositoryView>('/api/v1/status/repository', { name, q, after, limit: 50 })
  const { channel, frontdoorUrl } = await client.get<OverviewView>('/api/v1/status')
  const path = repositoryPath(view.name)
  const isLong = view.tagCount > view.tags.length || view.tagCount > tagsAtAGlance
  return {
    title: view.name,
    section: 'none',
    body: html`<p class="crumb"><a href="/">All repositories</a></p>
      <h1 class="name">${view.name}</h1>
      ${view.leadTag === undefined ? '' : pullCommand(frontdoorUrl, view.name, view.leadTag)}
      <dl class="facts">
        <div><dt>Channel</dt><dd>${channel}</dd></div>
        <div><dt>Tags</dt><dd>${count(view.tagCount)}</dd></div>
        <div><dt>Manifests</dt><dd>${count(view.manifestCount)}</dd></div>
        <div><dt>All versions together</dt><dd>${bytes(view.storedBytes)}</dd></div>
      </dl>
      <h2>Tags</h2>
      ${isLong ? search({ path, label: 'Tag', q }) : ''}
      ${isLong ? html`<p>${matches(view.matches, q, 'tag', 'tags')}.</p>` : ''}
      ${view.tags.length === 0 ? html`<p class="empty">No tag is like that.</p>` : tagsTable(view)}
      ${pager({ path, query: { q, after }, next: view.next, what: 'tags' })}`,
  }
}

function tagsTable({ name, tags }: RepositoryView): Html {
  return html`<table role="table" class="stack tags">
    <caption>Tags of ${name}. Sizes are what a pull of one platform takes; a digest can be pulled instead of a tag.</caption>
    <thead role="rowgroup"><tr role="row">
      <th role="columnheader" scope="col">Tag</th>
      <th role="columnheader" scope="col">Digest</th>
      <th role="columnheader" scope="col">Platforms</th>
      <th role="columnheader" scope="col" class="number">Size</th>
    </tr></thead>
    <tbody role="rowgroup">${tags.map(
      ({ tag, digest, platforms, sizeBytes }) => html`<tr role="row">
        <th role="rowheader" scope="row" class="name">${tag}</th>
        <td role="cell" data-label="Digest"><div><code class="digest">${digest}</code></div></td>
        <td role="cell" data-label="Platforms"><div>${
          platforms.length === 0 ? html`<span class="none">one platform</span>` : platforms.join(', ')
        }</div></td>
        <td role="cell" data-label="Size" class="number"><div>${
          sizeBytes === undefined ? html`<span class="none">not known</span>` : bytes(sizeBytes)
        }</div></td>
      </tr>`,
    )}</tbody>
  </table>`
}
