// The first page: what is served, how to pull it, who carries it.

import { html } from 'hono/html'
import type { GenerationsView, HostsView, OverviewView, RepositoriesView } from '#api/client/status-views.ts'
import { ago, bytes, count, type Html, moment } from './format.ts'
import { privateNote } from './hosts-page.ts'
import { hostsTable } from './hosts-table.ts'
import type { Page, PageAsk } from './page.ts'
import { linkTo, matches, pager, pullCommand, repositoryPath, search } from './parts.ts'

const shownRepositories = 25
const shownHosts = 12

export async function overviewPage({ client, query, nowMs }: PageAsk): Promise<Page> {
  const [q, after] = ['q', 'after'].map((name) => query.get(name) ?? '') as [string, string]
  const overview = await client.get<OverviewView>('/api/v1/status')
  const served = { q, after, limit: shownRepositories }
  const repositories = await client.get<RepositoriesView>('/api/v1/status/repositories', served)
  const hosts = await client.get<HostsView>('/api/v1/status/hosts', { limit: shownHosts })
  const { generations } = await client.get<GenerationsView>('/api/v1/status/generations', { limit: 8 })
  return {
    title: 'Overview',
    section: 'overview',
    body: html`${headline(overview, nowMs)}
      <section aria-labelledby="repositories">
        <h2 id="repositories">Repositories</h2>
        ${repositoriesPart(repositories, overview, { q, after })}
      </section>
      <section aria-labelledby="hosts">
        <h2 id="hosts">Hosts</h2>
        ${watchNote(overview, nowMs)}
        ${hostsPart(hosts, nowMs)}
      </section>
      <section aria-labelledby="generations">
        <h2 id="generations">Recent generations</h2>
        ${
          generations.length === 0
            ? html`<p class="empty">Nothing has been published yet.</p>`
            : generationsTable(generations, overview)
        }
      </section>`,
  }
}

function headline({ channel, serving, hosts, published }: OverviewView, nowMs: number): Html {
  if (!serving) {
    const known = published.map((one) => `${one.channel}: generation ${one.generation}`).join(', ')
    return html`<h1>Channel ${channel}</h1>
      <p class="lead">${known === '' ? 'Nothing has been published yet.' : `Published: ${known}.`}</p>`
  }
  const from =
    hosts.used === 0
      ? 'Everything comes from the front door while no host is in use.'
      : 'Manifests come from the front door, layers from a host near you.'
  const others = published.filter((one) => one.channel !== channel)
  return html`<h1>Channel ${channel}, generation ${serving.generation}</h1>
    <p class="lead">Published ${ago(serving.createdAt, nowMs)}. ${from}</p>
    <dl class="facts">
      <div><dt>Repositories</dt><dd>${count(serving.repositories)}</dd></div>
      <div><dt>Hosts in use</dt><dd>${count(hosts.used)} <small>of ${count(hosts.shown)}</small></dd></div>
      <div><dt>A full copy takes</dt><dd>${bytes(serving.tree.sizeBytes)} <small>${count(serving.tree.blobs, 'blob')}</small></dd></div>
      ${others.map(
        (one) =>
          html`<div><dt>Channel ${one.channel}</dt><dd>${one.generation} <small>${ago(one.publishedAt, nowMs)}</small></dd></div>`,
      )}
    </dl>`
}

function repositoriesPart(view: RepositoriesView, { frontdoorUrl, serving }: OverviewView, query: Query): Html {
  const { q } = query
  if (!serving || serving.repositories === 0)
    return html`<p class="empty">Nothing is released yet: what is pushed appears here once it is promoted and published.</p>`
  const isLarge = serving.repositories > view.repositories.length || q !== ''
  return html`${isLarge ? search({ path: '/', label: 'Repository', q }) : ''}
    ${isLarge ? html`<p>${matches(view.matches, q, 'repository', 'repositories')}.</p>` : ''}
    ${view.repositories.length === 0 ? html`<p class="empty">No repository is like that.</p>` : repositoriesTable(view, frontdoorUrl)}
    ${pager({ path: '/', query, next: view.next, what: 'repositories' })}
    ${
      frontdoorUrl?.startsWith('http:')
        ? html`<p class="note">The front door speaks plain http here: podman, skopeo and buildah want <code>--tls-verify=false</code>.</p>`
        : ''
    }`
}

type Query = { readonly q: string; readonly after: string }

function repositoriesTable({ repositories }: RepositoriesView, frontdoorUrl: string | undefined): Html {
  return html`<table role="table" class="stack repositories">
    <caption>Repositories and how to pull them. One click selects a command; sizes are what a first pull of one platform takes.</caption>
    <thead role="rowgroup"><tr role="row">
      <th role="columnheader" scope="col">Repository</th>
      <th role="columnheader" scope="col">Tags</th>
      <th role="columnheader" scope="col" class="number">Size</th>
      <th role="columnheader" scope="col">Pull</th>
    </tr></thead>
    <tbody role="rowgroup">${repositories.map(
      ({ name, tags, tagCount, sizeBytes }) => html`<tr role="row">
        <th role="rowheader" scope="row" class="name"><a href="${repositoryPath(name)}">${name}</a></th>
        <td role="cell" data-label="Tags"><div>${tagList(name, tags, tagCount)}</div></td>
        <td role="cell" data-label="Size" class="number"><div>${
          sizeBytes === undefined ? html`<span class="none">not known</span>` : bytes(sizeBytes)
        }</div></td>
        <td role="cell" data-label="Pull"><div>${
          tags[0] === undefined
            ? html`<span class="none">by digest only</span>`
            : pullCommand(frontdoorUrl, name, tags[0])
        }</div></td>
      </tr>`,
    )}</tbody>
  </table>`
}

function tagList(name: string, tags: readonly string[], tagCount: number): Html {
  if (tagCount === 0) return html`<span class="none">none</span>`
  const more = tagCount - tags.length
  return html`${tags.map((tag) => html`<span class="tag" title="${tag}">${tag}</span> `)}${
    more > 0 ? html`<a class="more" href="${repositoryPath(name)}">${count(more)} more</a>` : ''
  }`
}

function watchNote({ hosts }: OverviewView, nowMs: number): Html | '' {
  if (hosts.isWatchFresh || hosts.shown === 0) return ''
  const last =
    hosts.watchedAt === undefined
      ? html`Nobody has looked at the hosts yet`
      : html`The hosts were last looked at ${ago(hosts.watchedAt, nowMs)}`
  return html`<p class="warn" role="status">${last}: for now each is probed before a client is sent to it.</p>`
}

function hostsPart(view: HostsView, nowMs: number): Html {
  if (view.matches === 0)
    return html`<p class="empty">There are no hosts yet: the front door sends the layers itself.${privateNote(view.private)}</p>`
  return html`${hostsTable(view, nowMs)}
    <p>${
      view.next === undefined
        ? ''
        : html`<a href="/hosts">All ${count(view.matches)} hosts</a>, or <a href="${linkTo('/hosts', { used: 'no' })}">only those that are not used</a>.`
    }${privateNote(view.private)}</p>`
}

function generationsTable(generations: GenerationsView['generations'], { channel }: OverviewView): Html {
  return html`<table role="table" class="stack generations">
    <caption>What was published last. A rollback is a new generation as well.</caption>
    <thead role="rowgroup"><tr role="row">
      <th role="columnheader" scope="col">Generation</th>
      <th role="columnheader" scope="col">Published</th>
      <th role="columnheader" scope="col" class="number">Repositories changed</th>
      <th role="columnheader" scope="col" class="number">New for hosts</th>
    </tr></thead>
    <tbody role="rowgroup">${generations.map(
      (one) => html`<tr role="row">
        <th role="rowheader" scope="row">${one.generation}${one.channel === channel ? '' : html` <small>${one.channel}</small>`}</th>
        <td role="cell" data-label="Published"><div>${moment(one.publishedAt)}</div></td>
        <td role="cell" data-label="Repositories changed" class="number"><div>${count(one.repositoriesChanged ?? 0)}</div></td>
        <td role="cell" data-label="New for hosts" class="number"><div>${newForHosts(one)}</div></td>
      </tr>`,
    )}</tbody>
  </table>`
}

function newForHosts({ blobsAdded = 0, bytesAdded = 0 }: GenerationsView['generations'][number]): Html {
  if (blobsAdded === 0) return html`<span class="none">nothing</span>`
  return html`${bytes(bytesAdded)} <small>${count(blobsAdded, 'blob')}</small>`
}
