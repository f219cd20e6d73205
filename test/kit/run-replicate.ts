// One run of replicate with everything small and quick, for tests that care about something else.

import { replicate } from '#stages/replicate/replicate.ts'
import { type ReplicateOptions, type ReplicateTools, replicateDefaults } from '#stages/replicate/replicate-options.ts'
import type { Client } from '#stages/replicate/tree-source.ts'

type Needed = Pick<ReplicateOptions, 'from' | 'to'>

export function runReplicate(
  client: Client,
  options: Needed & Partial<ReplicateOptions>,
  tools: Partial<ReplicateTools> = {},
) {
  return replicate(
    { ...replicateDefaults, name: 'host.example.org', minFreeBytes: 0, pauseMs: 1, tries: 3, ...options },
    {
      client,
      hostClient: client,
      now: Date.now,
      random: () => 0.5,
      freeBytes: async () => 1e12,
      onProgress: () => undefined,
      onEvent: () => undefined,
      stop: new AbortController().signal,
      software: 'flotilla/test',
      ...tools,
    },
  )
}
