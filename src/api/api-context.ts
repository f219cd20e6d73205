import type { OpenAPIHono } from '@hono/zod-openapi'
import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { Identity } from '#access/decide.ts'
import { decide } from '#access/decide.ts'
import type { ApiAction } from '#access/grants.ts'
import type { PublicSide } from '#api/public/public-side.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { RegistryError } from '#oci/errors.ts'
import type { CandidateStores } from '#stages/candidate/list-candidates.ts'
import type { ClaimLimits } from '#stages/mirror/take-claim.ts'
import type { HostPolicy } from '#stages/mirror/validate-host.ts'
import type { PromoteStores } from '#stages/promote/promote-stores.ts'

export type ApiEnv = { Variables: { identity: Identity } }
export type ApiApp = OpenAPIHono<ApiEnv>

/** What the routes work with. */
export type ApiStores = {
  readonly catalogue: Catalogue
  readonly candidate: CandidateStores
  readonly promote: PromoteStores
  readonly candidateChannel: string
  readonly publicChannel: string
  readonly publicChannels: readonly string[]
  readonly publicSide: PublicSide
  readonly now: () => number
  /** Tells the worker that a job is due, where it runs in this process. */
  readonly nudge: () => void
  /** Resolves to the id of the new key. */
  readonly rotateTokenKeys: () => Promise<string>
  readonly hostPolicy: () => HostPolicy
  readonly checkInLimits: ClaimLimits
  /** Liveness, circuit and last crawl of a host, for its admin. */
  readonly describeHost: (hostId: number) => Promise<unknown>
  /** Hosts were switched on or off: front doors are to hear of it now. */
  readonly hostsChanged: () => Promise<void>
  readonly explain: (ask: {
    readonly address: string
    readonly digest?: string | undefined
    readonly reference?: string | undefined
    readonly seed?: number | undefined
    readonly userAgent?: string | undefined
    readonly range?: string | undefined
    readonly isTls?: boolean | undefined
    readonly method?: 'GET' | 'HEAD' | undefined
  }) => unknown
}

/** The caller, if they may do one of these; throws what becomes 401 or 403. */
export function need(context: Context<ApiEnv>, ...actions: readonly [ApiAction, ...ApiAction[]]): Identity {
  const identity = context.get('identity')
  if (!actions.some((action) => decide(identity, { kind: 'api', action })))
    throw new RegistryError('DENIED', `${identity.name} may not ${actions[0]}`)
  return identity
}

/** The same, where a grant for that host alone is enough. */
export function needForHost(
  context: Context<ApiEnv>,
  host: string,
  ...actions: readonly [ApiAction, ...ApiAction[]]
): Identity {
  const identity = context.get('identity')
  if (!actions.some((action) => decide(identity, { kind: 'api', action, host })))
    throw new RegistryError('DENIED', `${identity.name} may not ${actions[0]} for the host ${host}`)
  return identity
}

/** The channel named, or the one that the front door serves. */
export function requirePublic(channel: string | undefined, { publicChannel, publicChannels }: ApiStores): string {
  const wanted = channel ?? publicChannel
  if (!publicChannels.includes(wanted)) {
    throw new RegistryError(
      'REQUEST_INVALID',
      `${JSON.stringify(wanted)} is no public channel: use ${publicChannels.join(', ')}`,
    )
  }
  return wanted
}

export const Problem = z
  .object({ type: z.string(), title: z.string(), status: z.int(), code: z.string(), detail: z.string() })
  .openapi('Problem')

export const refusal = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: Problem } },
})

/** The refusals that every route may give. */
export const refusals = {
  400: refusal('The request is not well formed; the detail says what is wrong.'),
  401: refusal('Who asks is not known.'),
  403: refusal('Who asks may not.'),
  404: refusal('There is no such thing.'),
  409: refusal('The request conflicts with the present state.'),
} as const

export function json<T extends z.ZodType>(schema: T, description: string) {
  return { description, content: { 'application/json': { schema } } }
}
