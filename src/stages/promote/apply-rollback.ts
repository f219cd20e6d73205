// Back to an earlier state, which is itself a new, higher version: the log only grows.

import { randomUUID } from 'node:crypto'
import { type Change, changesBackTo, findVersion } from '#catalogue/channels.ts'
import { findGeneration, listRepositoriesAt } from '#catalogue/generations.ts'
import { findChannelManifests } from '#catalogue/manifests.ts'
import { findRepositoryId, listChannelRepositories } from '#catalogue/repositories.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/name.ts'
import { actOnce } from './act-once.ts'
import { commitAct, type Target } from './commit-act.ts'
import type { PromoteStores } from './promote-stores.ts'
import type { ActResult } from './promotion.ts'

export type RollbackRequest = {
  readonly channel: string
  /** One repository to one of its versions (undefined: the one before), or every repository to a generation. */
  readonly to: { readonly name: RepositoryName; readonly version: number | undefined } | { readonly generation: number }
  readonly reason: string | undefined
  readonly actor: string
  readonly isDryRun: boolean
  readonly idempotencyKey: string | undefined
}

export async function applyRollback(request: RollbackRequest, stores: PromoteStores): Promise<ActResult> {
  const { channel, to } = request
  if (!stores.channels.includes(channel)) {
    throw new RegistryError(
      'REQUEST_INVALID',
      `there is no channel ${JSON.stringify(channel)}: use ${stores.channels.join(', ')}`,
    )
  }
  return await actOnce(request, stores, async (keep) => {
    const targets =
      'generation' in to
        ? await targetsOfGeneration(channel, to.generation, stores)
        : [await targetOfRepository(channel, to.name, to.version, stores)]
    await checkHeld(channel, targets, stores)
    const source = 'generation' in to ? `generation ${to.generation}` : `version ${to.version ?? 'before'}`
    return await commitAct(
      {
        id: randomUUID(),
        kind: 'rollback',
        channel,
        source,
        actor: request.actor,
        reason: request.reason,
        isDryRun: request.isDryRun,
        isUrgent: true,
      },
      targets,
      stores,
      keep,
    )
  })
}

async function targetOfRepository(
  channel: string,
  name: RepositoryName,
  version: number | undefined,
  { catalogue }: PromoteStores,
): Promise<Target> {
  const repositoryId = await findRepositoryId(catalogue, name)
  const present = repositoryId === undefined ? 0 : await findVersion(catalogue, repositoryId, channel)
  if (repositoryId === undefined || present === 0)
    throw new RegistryError('NAME_UNKNOWN', `${name} was never in ${channel}`)
  const wanted = version ?? present - 1
  if (wanted < 0 || wanted > present)
    throw new RegistryError('REQUEST_INVALID', `${name} has versions 0 to ${present} in ${channel}, not ${wanted}`)
  const changes = await changesBackTo(catalogue, repositoryId, channel, wanted)
  return { name, repositoryId, changes, plannedAt: present }
}

async function targetsOfGeneration(
  channel: string,
  generation: number,
  { catalogue }: PromoteStores,
): Promise<Target[]> {
  const found = await findGeneration(catalogue, channel, generation)
  if (found?.state !== 'published')
    throw new RegistryError('REQUEST_INVALID', `${channel} has no published generation ${generation}`)
  const versions = new Map<number, number>()
  for (let after = ''; ; ) {
    const rows = await listRepositoriesAt(catalogue, channel, generation, after, 1000)
    for (const row of rows) versions.set(row.repositoryId, row.version)
    if (rows.length < 1000) break
    after = rows.at(-1)!.name
  }
  const targets: Target[] = []
  for (const { repositoryId, name, version } of await listChannelRepositories(catalogue, channel)) {
    const wanted = versions.get(repositoryId) ?? 0
    if (wanted === version) continue
    const changes = await changesBackTo(catalogue, repositoryId, channel, wanted)
    targets.push({ name, repositoryId, changes, plannedAt: version })
  }
  return targets
}

/** Only what the channel still holds can be tagged again. */
async function checkHeld(channel: string, targets: readonly Target[], { catalogue }: PromoteStores): Promise<void> {
  for (const { name, repositoryId, changes } of targets) {
    const wanted = [
      ...new Set(
        changes
          .filter((change): change is Change & { digest: Digest } => change.digest !== null)
          .map((change) => change.digest),
      ),
    ]
    const held = new Set(
      (await findChannelManifests(catalogue, repositoryId, channel, wanted)).map((row) => row.digest),
    )
    const gone = wanted.find((digest) => !held.has(digest))
    if (gone)
      throw new RegistryError(
        'CONFLICT',
        `${name}: manifest ${gone} of that version is no longer in ${channel}; promote it again`,
      )
  }
}
