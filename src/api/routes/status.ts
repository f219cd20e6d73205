// What anybody may know, without login: the public channels, their repositories, and the hosts. Names, tags and digests come from the
// front door's snapshots alone, so nothing of another channel can be among them.

import type { ApiApp, ApiStores } from '#api/api-context.ts'
import { describeHost, standingOf } from '#api/public/describe-host.ts'
import { ImageReader } from '#api/public/describe-image.ts'
import { describeRepository, describeTag, summarizeRepository } from '#api/public/describe-repository.ts'
import { keepFor } from '#api/public/keep-for.ts'
import { pageOf } from '#api/public/public-side.ts'
import { type GenerationRow, listGenerations } from '#catalogue/generations.ts'
import { listLastCrawls, sumTree } from '#catalogue/overview.ts'
import { RegistryError } from '#oci/errors.ts'
import type { PlacedHost } from '#snapshots/placement.ts'
import { chooseDefaults, isFleetFresh } from '#stages/redirect/choose-options.ts'
import { mostGenerations, routes } from './status-schemas.ts'

const cacheMs = 1000
const crawlCacheMs = 5000

const iso = (ms: number) => new Date(ms).toISOString()

export function statusRoutes(app: ApiApp, stores: ApiStores): void {
  const { catalogue, publicSide, publicChannel, publicChannels, now } = stores
  const images = new ImageReader(publicSide.readManifest)
  const listPublished = keepFor(cacheMs, now, async () => {
    const all = await Promise.all(publicChannels.map((channel) => listGenerations(catalogue, channel, mostGenerations)))
    return all
      .flat()
      .filter(isPublished)
      .sort((a, b) => b.publishedAtMs - a.publishedAtMs || b.number - a.number)
  })
  const lastCrawls = keepFor(crawlCacheMs, now, () => listLastCrawls(catalogue, publicChannel))
  let tree: { readonly generation: number; readonly sum: ReturnType<typeof sumTree> } | undefined
  const treeOf = (generation: number) => {
    if (tree?.generation === generation) return tree.sum
    const mine = { generation, sum: sumTree(catalogue, publicChannel) }
    tree = mine
    mine.sum.catch(() => {
      if (tree === mine) tree = undefined
    })
    return mine.sum
  }

  app.openapi(routes.overview, async (context) => {
    const { publication, fleet } = publicSide.view()
    const { hosts, world } = fleet.placement
    const used = world.filter(({ host }) => standingOf(host, fleet.health.byId.get(host.id)).state === 'used')
    const published = await listPublished()
    return context.json(
      {
        channel: publicChannel,
        ...(publicSide.frontdoorUrl === undefined ? {} : { frontdoorUrl: publicSide.frontdoorUrl }),
        ...(publication && {
          serving: {
            generation: publication.generation,
            createdAt: iso(publication.publication.createdAtMs),
            repositories: publication.names.length,
            tree: await treeOf(publication.generation),
          },
        }),
        published: publicChannels.flatMap((channel) => {
          const row = published.find((one) => one.channel === channel)
          return row ? [{ channel, generation: row.number, publishedAt: iso(row.publishedAtMs) }] : []
        }),
        hosts: {
          shown: world.length,
          used: used.length,
          private: hosts.length - world.length,
          isWatchFresh: isFleetFresh(fleet, chooseDefaults, now()),
          ...(fleet.health.builtAtMs > 0 ? { watchedAt: iso(fleet.health.builtAtMs) } : {}),
        },
      },
      200,
    )
  })

  app.openapi(routes.generations, async (context) => {
    const { limit } = context.req.valid('query')
    return context.json({ generations: (await listPublished()).slice(0, limit).map(describeGeneration) }, 200)
  })

  app.openapi(routes.repositories, async (context) => {
    const { publication } = publicSide.view()
    const { items, ...page } = pageOf(publication?.names ?? [], (name) => name, context.req.valid('query'))
    const rows = items.map((name) => summarizeRepository(publication!.publication.repositories.get(name)!, images))
    return context.json({ ...page, repositories: await Promise.all(rows) }, 200)
  })

  app.openapi(routes.repository, async (context) => {
    const { name, ...ask } = context.req.valid('query')
    const { publication } = publicSide.view()
    const repository = publication?.publication.repositories.get(name)
    if (!publication || !repository) throw new RegistryError('NAME_UNKNOWN', 'the front door serves no such repository')
    const { items, ...page } = pageOf(publication.tagsOf(repository), (tag) => tag, ask)
    const tags = await Promise.all(items.map((tag) => describeTag(repository, tag, images)))
    return context.json({ ...page, ...describeRepository(repository), tags }, 200)
  })

  app.openapi(routes.hosts, async (context) => {
    const { used, ...ask } = context.req.valid('query')
    const { fleet, publication } = publicSide.view()
    const { hosts, world } = fleet.placement
    const crawls = await lastCrawls()
    const healthOf = ({ id }: PlacedHost) => fleet.health.byId.get(id)
    const isWanted = (host: PlacedHost) =>
      used === '' || (standingOf(host, healthOf(host)).state === 'used') === (used === 'yes')
    const wanted = world.map(({ host }) => host).filter(isWanted)
    const sorted = wanted.sort((a, b) => (a.name < b.name ? -1 : 1))
    const { items, ...page } = pageOf(sorted, (host) => host.name, ask)
    return context.json(
      {
        ...page,
        generation: publication?.generation ?? 0,
        private: hosts.length - world.length,
        hosts: items.map((host) => describeHost(host, healthOf(host), crawls.get(host.id))),
      },
      200,
    )
  })
}

type PublishedRow = GenerationRow & { readonly publishedAtMs: number }

function isPublished(row: GenerationRow): row is PublishedRow {
  return row.publishedAtMs !== undefined
}

/** Who and why stay inside: they name people, robots and what is not public yet. */
function describeGeneration({ channel, number, publishedAtMs, summary }: PublishedRow) {
  const { repositoriesChanged, blobsAdded, bytesAdded } = (summary ?? {}) as Record<string, unknown>
  return {
    channel,
    generation: number,
    publishedAt: iso(publishedAtMs),
    ...(typeof repositoriesChanged === 'number' ? { repositoriesChanged } : {}),
    ...(typeof blobsAdded === 'number' ? { blobsAdded } : {}),
    ...(typeof bytesAdded === 'number' ? { bytesAdded } : {}),
  }
}
