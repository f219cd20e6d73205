// One act on a channel: its log entries, the event and the publication that follows, in one transaction. A dry run does all of it and
// then takes it back, so that it tells exactly what would happen.

import { appendChanges, type Change, lockVersion, recordAct } from '#catalogue/channels.ts'
import { emit } from '#catalogue/events.ts'
import type { Tx } from '#catalogue/schema.ts'
import { enqueue } from '#jobs/queue.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/name.ts'
import type { PromoteStores } from './promote-stores.ts'
import type { ActResult, ChangedTarget } from './promotion.ts'

export type Target = {
  readonly name: RepositoryName
  readonly repositoryId: number
  readonly changes: readonly Change[]
  /** Where the channel stood when the changes were thought out, if they are true from there only. */
  readonly plannedAt?: number
}

export type ChannelAct = {
  readonly id: string
  readonly kind: 'promote' | 'rollback'
  readonly channel: string
  readonly source: string
  readonly actor: string
  readonly reason: string | undefined
  readonly isDryRun: boolean
  /** Published at once rather than with what else comes within the delay. */
  readonly isUrgent: boolean
}

class TakeBack extends Error {
  readonly result: ActResult
  constructor(result: ActResult) {
    super('a dry run ends here')
    this.result = result
  }
}

export async function commitAct(
  act: ChannelAct,
  targets: readonly Target[],
  stores: PromoteStores,
  alongside: (tx: Tx, result: ActResult) => Promise<void>,
): Promise<ActResult> {
  try {
    return await stores.catalogue.transaction().execute(async (tx) => {
      const result = await write(tx, act, targets, stores)
      await alongside(tx, result)
      if (act.isDryRun) throw new TakeBack(result)
      return result
    })
  } catch (error) {
    // The publication was taken back as well.
    if (error instanceof TakeBack) return { ...error.result, publication: undefined }
    throw error
  }
}

async function write(
  tx: Tx,
  act: ChannelAct,
  targets: readonly Target[],
  { now, publicChannels, publishDelayMs }: PromoteStores,
): Promise<ActResult> {
  const atMs = now()
  const repositories: ChangedTarget[] = []
  // Always in order of id: two acts that touch the same repositories then never wait for each other in a ring.
  for (const target of [...targets].sort((a, b) => a.repositoryId - b.repositoryId)) {
    const { repositoryId, plannedAt } = target
    if (plannedAt !== undefined && (await lockVersion(tx, repositoryId, act.channel)) !== plannedAt)
      throw new RegistryError('CONFLICT', `${target.name} changed in ${act.channel} meanwhile; try again`)
    const { version, applied } = await appendChanges(tx, { repositoryId, channel: act.channel }, target.changes, {
      id: act.id,
      atMs,
    })
    repositories.push({
      repository: target.name,
      version,
      tags: applied
        .filter((change) => !change.key.startsWith('@'))
        .map((change) => ({ tag: change.key, from: change.previous, to: change.digest })),
      manifestsAdded: applied.filter((change) => change.key.startsWith('@') && change.digest !== null).length,
    })
  }
  const isChange = repositories.some((one) => one.tags.length > 0 || one.manifestsAdded > 0)
  if (!isChange)
    return { id: act.id, channel: act.channel, isDryRun: act.isDryRun, repositories, publication: undefined }
  await recordAct(
    tx,
    {
      id: act.id,
      kind: act.kind,
      actor: act.actor,
      source: act.source,
      ...(act.reason === undefined ? {} : { reason: act.reason }),
    },
    atMs,
  )
  const publication = publicChannels.includes(act.channel)
    ? await enqueue(
        tx,
        {
          kind: 'publish',
          payload: { channel: act.channel, actor: act.actor },
          dedupeKey: act.channel,

          runAtMs: act.isUrgent ? atMs : atMs + publishDelayMs,
        },
        atMs,
      )
    : undefined
  await emit(tx, {
    type: act.kind === 'promote' ? 'promotion.applied' : 'rollback.applied',
    subject: act.id,
    data: { channel: act.channel, actor: act.actor, reason: act.reason, repositories },
    atMs,
  })
  return { id: act.id, channel: act.channel, isDryRun: act.isDryRun, repositories, publication }
}
