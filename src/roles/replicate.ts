// `flotilla replicate` put together: the stage, the outbound client, the clock; what follows a run; and runs that follow each other.

import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { ProxiedClient } from '#http/outbound/proxied-client.ts'
import type { ProxySettings } from '#http/outbound/proxy-settings.ts'
import { type CheckInTarget, checkIn } from '#stages/replicate/check-in.ts'
import type { ReplicateResult } from '#stages/replicate/finish-run.ts'
import type { Progress } from '#stages/replicate/progress-meter.ts'
import { replicate } from '#stages/replicate/replicate.ts'
import type { ReplicateEvent } from '#stages/replicate/replicate-event.ts'
import { type ReplicateOptions, type ReplicateTools, replicateDefaults } from '#stages/replicate/replicate-options.ts'
import { runHook } from '#stages/replicate/run-hook.ts'
import type { Client } from '#stages/replicate/tree-source.ts'

export type ReplicaSettings = Pick<ReplicateOptions, 'from' | 'to' | 'name'> &
  Partial<ReplicateOptions> & {
    readonly onUpdate?: string | undefined
    readonly onFailure?: string | undefined
    readonly hookLimitMs: number
    readonly checkIn?: CheckInTarget | undefined
  }

export type ReplicaControl = {
  readonly stop: AbortSignal
  readonly onProgress: (step: Progress) => void
  readonly onEvent: (event: ReplicaEvent) => void
  readonly freeBytes: (folder: string) => Promise<number>
  /** Of the addresses given, and of those that they redirect to. */
  readonly allowPrivate: { readonly sources: boolean; readonly hosts: boolean }
  readonly ca: string | undefined
  readonly proxy: ProxySettings
  /** What hooks find in theirs. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

export type ReplicaEvent =
  | ReplicateEvent
  | { readonly event: 'hook'; readonly command: string; readonly problem: string | undefined }
  | { readonly event: 'check-in'; readonly outcome: string; readonly reason: string | undefined }

export type ReplicaOutcome = ReplicateResult & {
  /** What went wrong after the copy was complete. */
  readonly hookProblem?: string
  readonly checkInProblem?: string
}

export type Clients = { readonly sources: Client; readonly hosts: Client }

/** One run and what follows it; the clients are closed by whoever opened them. */
export async function runReplica(
  settings: ReplicaSettings,
  control: ReplicaControl,
  by: { readonly clients: Clients; readonly software: string },
): Promise<ReplicaOutcome> {
  const { stop, onProgress, onEvent, freeBytes } = control
  const { clients, software } = by
  const times = { now: Date.now, random: Math.random }
  const tools: ReplicateTools = {
    client: clients.sources,
    hostClient: clients.hosts,
    ...times,
    freeBytes,
    onProgress,
    onEvent,
    stop,
    software,
  }
  const { onUpdate, onFailure, hookLimitMs: _, checkIn: target, ...options } = settings
  try {
    const result = await replicate({ ...replicateDefaults, ...options }, tools)
    const checkInProblem = target && (await say(result, target, settings, { ...by, control }))
    const isNews = result.outcome === 'updated'
    const hookProblem = isNews && onUpdate ? await follow(onUpdate, settings, control, result) : undefined
    return { ...result, ...(checkInProblem && { checkInProblem }), ...(hookProblem && { hookProblem }) }
  } catch (error) {
    const { reason } = error as { reason?: string }
    if (onFailure && reason !== 'stopped' && reason !== 'busy' && reason !== 'window')
      await follow(onFailure, settings, control, { outcome: reason ?? 'failed' })
    throw error
  }
}

export async function withClients<T>(
  { allowPrivate, ca, proxy }: ReplicaControl,
  software: string,
  use: (clients: Clients) => Promise<T>,
): Promise<T> {
  const open = (isPrivate: boolean) => {
    const options = { allowPrivate: isPrivate, userAgent: software, ca }
    const direct = new OutboundClient(options)
    const isProxied = proxy.http !== undefined || proxy.https !== undefined
    return { direct, client: isProxied ? new ProxiedClient(direct, { ...options, proxy }) : direct }
  }
  const [sources, hosts] = [open(allowPrivate.sources), open(allowPrivate.hosts)]
  await using _sources = sources.direct
  await using _hosts = hosts.direct
  return await use({ sources: sources.client, hosts: hosts.client })
}

/** What is wrong with the check-in; undefined: it was sent. */
async function say(
  { channel, generation, partial }: ReplicateResult,
  target: CheckInTarget,
  { to, name }: ReplicaSettings,
  by: { readonly clients: Clients; readonly software: string; readonly control: ReplicaControl },
): Promise<string | undefined> {
  const copy = { folder: to, host: name, channel, generation, partial }
  const { clients, software, control } = by
  const said = await checkIn(copy, target, { client: clients.sources, now: Date.now, software, signal: control.stop })
  const reason = said.outcome === 'sent' ? undefined : `check-in ${said.outcome}: ${said.reason}`
  control.onEvent({ event: 'check-in', outcome: said.outcome, reason })
  return reason
}

async function follow(
  command: string,
  { to, hookLimitMs }: ReplicaSettings,
  { environment, onEvent }: ReplicaControl,
  about: { readonly outcome: string; readonly generation?: number; readonly channel?: string },
): Promise<string | undefined> {
  const { problem } = await runHook({
    command,
    limitMs: hookLimitMs,
    environment: {
      ...environment,
      FLOTILLA_GENERATION: String(about.generation ?? ''),
      FLOTILLA_CHANNEL: about.channel ?? '',
      FLOTILLA_TO: to,
      FLOTILLA_OUTCOME: about.outcome,
    },
  })
  onEvent({ event: 'hook', command, problem })
  return problem && `the hook "${command}" failed: ${problem}`
}
