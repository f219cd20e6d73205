// The machine of a volunteer: it runs no listener of ours, only the copying of a tree.

import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { type ReplicateResult, replicate } from '#stages/replicate/replicate.ts'
import { type Progress, type ReplicateOptions, replicateDefaults } from '#stages/replicate/replicate-options.ts'

export type CopySettings = Omit<ReplicateOptions, 'stallMs' | 'leastBytes' | 'tries' | 'pauseMs'>

export type CopyControl = {
  readonly stop: AbortSignal
  readonly onProgress: (progress: Progress) => void
  readonly freeBytes: (folder: string) => Promise<number>
  readonly allowPrivate: boolean
  readonly ca: string | undefined
}

/** `software`: name and version, for the trace and the User-Agent. */
export async function copyTree(
  software: string,
  settings: CopySettings,
  { allowPrivate, ca, ...control }: CopyControl,
): Promise<ReplicateResult> {
  await using client = new OutboundClient({ allowPrivate, userAgent: software, ca })
  const tools = { ...control, client, now: Date.now, random: Math.random, software }
  return await replicate({ ...replicateDefaults, ...settings }, tools)
}
