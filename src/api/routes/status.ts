// What anybody may know, without login: the public channels, their repositories, and the hosts. Names, tags and digests come from the
// front door's snapshots alone, so nothing of another channel can be among them.

import { createRoute, z } from '@hono/zod-openapi'
import { type ApiApp, type ApiStores, json, refusals } from '#api/api-context.ts'
import { standingOf } from '#api/public/describe-host.ts'
import { ImageReader } from '#api/public/describe-image.ts'
import { keepFor } from '#api/public/keep-for.ts'
import { leadingTags, pageOf } from '#api/public/public-side.ts'
import { listGenerations } from '#catalogue/generations.ts'
import { listLastCrawls, sumTree } from '#catalogue/overview.ts'
import { RegistryError } from '#oci/errors.ts'
import type { View } from '#snapshots/holder.ts'
import type { PlacedHost } from '#snapshots/placement.ts'
import type { PublishedRepository } from '#snapshots/publication.ts'
import { chooseDefaults, isFleetFresh } from '#stages/redirect/choose-host.ts'
import {
  StatusGenerations,
  StatusHosts,
  StatusOverview,
  StatusRepositories,
  StatusRepository,
} from './status-schemas.ts'

const mostGenerations = 100

const pageQuery = {
  q: z.string().max(255).default('').openapi({ description: 'Only names that contain this.' }),
  after: z.string().max(255).default('').openapi({ description: 'The `next` of the page before.' }),
  limit: z.coerce.number().int().min(1).max(100).default(25),
}

const routes = {
  overview: createRoute({
    method: 'get',
    path: '/api/v1/status',
    summary: 'The public channels and their fleet in numbers; no login needed',
    security: [],
    responses: { 200: json(StatusOverview, 'The overview.') },
  }),
  generations: createRoute({
    method: 'get',
    path: '/api/v1/status/generations',
    summary: 'The last generations of the public channels, newest first; no login needed',
    security: [],
    request: { query: z.object({ limit: z.coerce.number().int().min(1).max(mostGenerations).default(10) }) },
    responses: { 200: json(StatusGenerations, 'The generations.'), 400: refusals[400] },
  }),
  repositories: createRoute({
    method: 'get',
    path: '/api/v1/status/repositories',
    summary: 'Repositories that the front door serves, by name; no login needed',
    security: [],
    request: { query: z.object(pageQuery) },
    responses: { 200: json(StatusRepositories, 'A page of repositories.'), 400: refusals[400] },
  }),
  repository: createRoute({
    method: 'get',
    path: '/api/v1/status/repository',
    summary: 'One repository with its tags; no login needed',
    security: [],
    request: { query: z.object({ name: z.string().max(255), ...pageQuery }) },
    responses: { 200: json(StatusRepository, 'The repository and a page of its tags.'), ...refusals },
  }),
  hosts: createRoute({
    method: 'get',
    path: '/api/v1/status/hosts',
    summary: 'Hosts, and why each is used or not; private ones are only counted; no login needed',
    security: [],
    request: {
      query: z.object({
        ...pageQuery,
        used: z.enum(['yes', 'no', '']).default('').openapi({ description: 'Only hosts that are, or are not, used.' }),
      }),
    },
    responses: { 200: json(StatusHosts, 'A page of hosts.'), 400: refusals[400] },
  }),
}

const cacheMs = 1000
const crawlCacheMs = 5000
const shownTags = 4

const iso = (ms: number) => new Date(ms).toISOString()

export function statusRoutes(
  app: ApiApp,
  { catalogue, publicSide, publicChannel, publicChannels, now }: ApiStores,
): void {
  const images = new ImageReader(publicSide.readManifest)
  const generations = keepFor(cacheMs, now, async () => {
    const all = await Promise.all(publicChannels.map((channel) => listGenerations(catalogue, channel, mostGenerations)))
    const published = all.flat().filter((row) => row.publishedAtMs !== undefined)
    return published.sort((a, b) => b.publishedAtMs! - a.publishedAtMs! || b.number - a.number)
  })
  const lastCrawls = keepFor(crawlCacheMs, now, () => listLastCrawls(catalogue, publicChannel))
  let tree: { readonly generation: number; readonly sum: ReturnType<typeof sumTree> } | undefined
  const treeOf = (generation: number) => {
    if (tree?.generation !== generation) tree = { generation, sum: sumTree(catalogue, publicChannel) }
    return tree.sum
  }
  const requireView = (): View => {
    const view = publicSide.view()
    if (!view) throw new RegistryError('UNAVAILABLE', 'no front door runs in this process: ask the one that does')
    return view
  }

  app.openapi(routes.overview, async (context) => {
    const view = publicSide.view()
    const rows = await generations()
    const latest = publicChannels.map((channel) => rows.find((row) => row.channel === channel))
    const placement = view?.fleet.placement
    const shown = placement?.world ?? []
    const used = shown.filter(({ host }) => standingOf(host, view?.fleet.health.byId.get(host.id)).state === 'used')
    return context.json(
      {
        channel: publicChannel,
        ...(publicSide.frontdoorUrl === undefined ? {} : { frontdoorUrl: publicSide.frontdoorUrl }),
        ...(view?.publication && {
          serving: {
            generation: view.publication.generation,
            createdAt: iso(view.publication.publication.createdAtMs),
            repositories: view.publication.names.length,
            tree: await treeOf(view.publication.generation),
          },
        }),
        published: latest.flatMap((row) =>
          row ? [{ channel: row.channel, generation: row.number, publishedAt: iso(row.publishedAtMs!) }] : [],
        ),
        hosts: {
          shown: shown.length,
          used: used.length,
          private: (placement?.hosts.length ?? 0) - shown.length,
          isWatchFresh: view !== undefined && isFleetFresh(view.fleet, chooseDefaults, now()),
          ...(view && view.fleet.health.builtAtMs > 0 ? { watchedAt: iso(view.fleet.health.builtAtMs) } : {}),
        },
      },
      200,
    )
  })

  app.openapi(routes.generations, async (context) => {
    const { limit } = context.req.valid('query')
    const rows = (await generations()).slice(0, limit)
    // Who and why stay inside: they name people, robots and what is not public yet.
    return context.json(
      {
        generations: rows.map((row) => ({
          channel: row.channel,
          generation: row.number,
          publishedAt: iso(row.publishedAtMs!),
          ...pickCounts(row.summary),
        })),
      },
      200,
    )
  })

  const describeRow = async (repository: PublishedRepository) => {
    const tags = leadingTags(repository, shownTags)
    const [lead] = tags
    const image = lead === undefined ? undefined : await images.describe(repository, repository.tags.get(lead)!)
    return {
      name: repository.name,
      tagCount: repository.tags.size,
      tags,
      ...(image?.sizeBytes === undefined ? {} : { sizeBytes: image.sizeBytes }),
    }
  }

  app.openapi(routes.repositories, async (context) => {
    const { publication } = requireView()
    const { items, ...page } = pageOf(publication?.names ?? [], (name) => name, context.req.valid('query'))
    const rows = items.map((name) => describeRow(publication!.publication.repositories.get(name)!))
    return context.json({ ...toPage(page), repositories: await Promise.all(rows) }, 200)
  })

  app.openapi(routes.repository, async (context) => {
    const { name, ...ask } = context.req.valid('query')
    const { publication } = requireView()
    const repository = publication?.publication.repositories.get(name)
    if (!publication || !repository) throw new RegistryError('NAME_UNKNOWN', 'the front door serves no such repository')
    const { items, ...page } = pageOf(publication.tagsOf(repository), (tag) => tag, ask)
    const rows = items.map(async (tag) => {
      const digest = repository.tags.get(tag)!
      const { mediaType = 'unknown', platforms = [], sizeBytes } = (await images.describe(repository, digest)) ?? {}
      return { tag, digest, mediaType, platforms: [...platforms], ...(sizeBytes === undefined ? {} : { sizeBytes }) }
    })
    const [leadTag] = leadingTags(repository, 1)
    return context.json(
      {
        ...toPage(page),
        name: repository.name,
        tagCount: repository.tags.size,
        manifestCount: repository.manifests.size,
        ...(leadTag === undefined ? {} : { leadTag }),
        storedBytes: [...repository.blobs.values()].reduce((sum, blob) => sum + blob.sizeBytes, 0),
        tags: await Promise.all(rows),
      },
      200,
    )
  })

  app.openapi(routes.hosts, async (context) => {
    const { fleet, publication } = requireView()
    const { used, ...ask } = context.req.valid('query')
    const crawls = await lastCrawls()
    const standing = (host: PlacedHost) => standingOf(host, fleet.health.byId.get(host.id))
    const wanted = fleet.placement.world
      .map(({ host }) => host)
      .filter((host) => used === '' || (standing(host).state === 'used') === (used === 'yes'))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
    const { items, ...page } = pageOf(wanted, (host) => host.name, ask)
    return context.json(
      {
        ...toPage(page),
        generation: publication?.generation ?? 0,
        private: fleet.placement.hosts.length - fleet.placement.world.length,
        hosts: items.map((host) => {
          const { state, reason } = standing(host)
          const health = fleet.health.byId.get(host.id)
          const crawl = crawls.get(host.id)
          return {
            name: host.name,
            site: host.site,
            grade: host.grade,
            ...(host.country === undefined ? {} : { country: host.country }),
            allowedCountries: [...host.allowedCountries],
            urls: [...host.urls],
            bandwidthMbps: host.bandwidthMbps,
            generation: host.generation,
            missing: host.missing.length,
            extra: host.extra.length,
            state,
            ...(reason === undefined ? {} : { reason }),
            ...(health ? { circuit: health.circuit, isAlive: health.isAlive } : {}),
            ...(health && health.checkedAtMs > 0 ? { checkedAt: iso(health.checkedAtMs) } : {}),
            ...(health && health.roundTripMs > 0 ? { roundTripMs: Math.round(health.roundTripMs * 10) / 10 } : {}),
            ...(crawl && { lastCrawl: { at: iso(crawl.finishedAtMs), outcome: crawl.outcome } }),
          }
        }),
      },
      200,
    )
  })
}

function toPage({ matches, next }: { readonly matches: number; readonly next: string | undefined }) {
  return { matches, ...(next === undefined ? {} : { next }) }
}

function pickCounts(summary: unknown) {
  const { repositoriesChanged, blobsAdded, bytesAdded } = (summary ?? {}) as Record<string, unknown>
  return {
    ...(typeof repositoriesChanged === 'number' ? { repositoriesChanged } : {}),
    ...(typeof blobsAdded === 'number' ? { blobsAdded } : {}),
    ...(typeof bytesAdded === 'number' ? { bytesAdded } : {}),
  }
}
