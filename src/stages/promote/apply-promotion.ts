// The only place, with rollback, where released tags move: everything that was asked for in one transaction, or nothing.

import { randomUUID } from 'node:crypto'
import { type Change, manifestKey } from '#catalogue/channels.ts'
import { findChannelManifests, findManifest, findTaggedManifest } from '#catalogue/manifests.ts'
import { findRepositoryId } from '#catalogue/repositories.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/name.ts'
import { actOnce } from './act-once.ts'
import { reasonsAgainst } from './check-promotable.ts'
import { collectClosure } from './collect-closure.ts'
import { commitAct, type Target } from './commit-act.ts'
import type { PromoteStores } from './promote-stores.ts'
import type { ActResult, PromotionItem, PromotionRequest } from './promotion.ts'

type Resolved = PromotionItem & { readonly digest: Digest; readonly repositoryId: number }

export async function applyPromotion(request: PromotionRequest, stores: PromoteStores): Promise<ActResult> {
  checkChannels(request, stores.channels)
  return await actOnce(request, stores, async (keep) => {
    const resolved = await resolveOnce(request, stores)
    const targets = await plan(request, resolved, stores)
    return await commitAct(
      {
        id: randomUUID(),
        kind: 'promote',
        channel: request.to,
        source: request.from,
        actor: request.actor,
        reason: request.reason,
        isDryRun: request.isDryRun,
        isUrgent: false,
      },
      targets,
      stores,
      async (tx, result) => {
        // The source may have lost something since the plan was made.
        for (const target of targets) {
          const rows = await findChannelManifests(tx, target.repositoryId, request.from, target.manifests)
          if (rows.length < target.manifests.length) {
            throw new RegistryError('CONFLICT', `${target.name} changed while it was promoted; try again`)
          }
        }
        await keep(tx, result)
      },
    )
  })
}

function checkChannels({ from, to, items }: PromotionRequest, channels: readonly string[]): void {
  for (const name of [from, to]) {
    if (!channels.includes(name))
      throw new RegistryError(
        'REQUEST_INVALID',
        `there is no channel ${JSON.stringify(name)}: use ${channels.join(', ')}`,
      )
  }
  if (from === to) throw new RegistryError('REQUEST_INVALID', `from and to are both ${to}`)
  if (to === channels[0])
    throw new RegistryError('REQUEST_INVALID', `${to} is where pushes land: push there, promote from there`)
  if (items.length === 0) throw new RegistryError('REQUEST_INVALID', 'name at least one repository')
}

/** Each reference becomes a digest here, once; from here on only digests count. */
async function resolveOnce({ items, from }: PromotionRequest, { catalogue }: PromoteStores): Promise<Resolved[]> {
  const reasons: string[] = []
  const resolved: Resolved[] = []
  for (const item of items) {
    const repositoryId = await findRepositoryId(catalogue, item.name)
    const row =
      item.reference.kind === 'digest'
        ? await findManifest(catalogue, item.name, from, item.reference.digest)
        : await findTaggedManifest(catalogue, item.name, from, item.reference.tag)
    const what = item.reference.kind === 'digest' ? `@${item.reference.digest}` : `:${item.reference.tag}`
    if (repositoryId === undefined || !row) reasons.push(`${item.name}${what} is not in ${from}`)
    else resolved.push({ ...item, digest: row.digest, repositoryId })
  }
  if (reasons.length > 0) throw new RegistryError('MANIFEST_UNKNOWN', reasons.join('; '))
  return resolved
}

async function plan(
  request: PromotionRequest,
  resolved: readonly Resolved[],
  { catalogue, blobs, foreignLayerChannels }: PromoteStores,
): Promise<(Target & { manifests: readonly Digest[] })[]> {
  const byRepository = new Map<RepositoryName, Resolved[]>()
  for (const item of resolved) byRepository.set(item.name, [...(byRepository.get(item.name) ?? []), item])
  const reasons: string[] = []
  const targets: (Target & { manifests: readonly Digest[] })[] = []
  for (const [name, items] of byRepository) {
    const { repositoryId } = items[0]!
    const source = { repositoryId, name, channel: request.from }
    const closure = await collectClosure(
      catalogue,
      source,
      items.map((item) => item.digest),
    )
    reasons.push(
      ...(await reasonsAgainst(catalogue, blobs, source, closure, foreignLayerChannels.includes(request.to))),
    )
    const tags = tagsOf(request, items, reasons)
    const manifests = [...closure.manifests.keys()]
    const changes: Change[] = [
      ...manifests.map((digest) => ({ key: manifestKey(digest), digest })),
      ...[...new Map([...closure.companionTags, ...tags])].map(([key, digest]) => ({ key, digest })),
    ]
    targets.push({ name, repositoryId, changes, manifests })
  }
  if (reasons.length > 0) throw new RegistryError('CONFLICT', `nothing was promoted: ${reasons.join('; ')}`)
  return targets
}

function tagsOf(request: PromotionRequest, items: readonly Resolved[], reasons: string[]): Map<string, Digest> {
  const tags = new Map<string, Digest>()
  for (const item of items) {
    const wanted = request.tags.length > 0 ? request.tags : item.reference.kind === 'tag' ? [item.reference.tag] : []
    for (const tag of wanted) {
      const other = tags.get(tag)
      if (other && other !== item.digest)
        reasons.push(`${item.name}: tag ${tag} cannot point to both ${other} and ${item.digest}`)
      tags.set(tag, item.digest)
    }
  }
  return tags
}
