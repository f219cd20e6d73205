// `flotilla replicate` put together: the stage, the outbound client, the clock.

import { OutboundClient } from '#http/outbound/outbound-client.ts'
import type { ReplicateResult } from '#stages/replicate/finish-run.ts'
import { replicate } from '#stages/replicate/replicate.ts'
import { type Progress, type ReplicateOptions, replicateDefaults } from '#stages/replicate/replicate-options.ts'

export type ReplicaSettings = Pick<
  ReplicateOptions,
  | 'from'
  | 'to'
  | 'name'
  | 'connections'
  | 'isCheck'
  | 'isPrune'
  | 'minFreeBytes'
  | 'bytesPerSecond'
  | 'graceMs'
  | 'root'
>

export type ReplicaControl = {
  readonly stop: AbortSignal
  readonly onProgress: (step: Progress) => void
  readonly freeBytes: (folder: string) => Promise<number>
  readonly allowPrivate: boolean
  readonly ca: string | undefined
}

export async function runReplica(
  settings: ReplicaSettings,
  control: ReplicaControl,
  software: string,
): Promise<ReplicateResult> {
  await using client = new OutboundClient({ allowPrivate: control.allowPrivate, userAgent: software, ca: control.ca })
  const { stop, onProgress, freeBytes } = control
  return await replicate(
    { ...replicateDefaults, ...settings },
    { client, now: Date.now, random: Math.random, freeBytes, onProgress, stop, software },
  )
}
