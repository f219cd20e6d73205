// The control API: described once in OpenAPI by its routes, guarded by one door, every error a problem document.

import { OpenAPIHono } from '@hono/zod-openapi'
import type { Authenticator } from '#access/authenticate.ts'
import { candidateRoutes } from '#api/routes/candidates.ts'
import { checkInRoutes } from '#api/routes/check-ins.ts'
import { eventRoutes } from '#api/routes/events.ts'
import { explainRoutes } from '#api/routes/explain.ts'
import { generationRoutes } from '#api/routes/generations.ts'
import { hostRoutes } from '#api/routes/hosts.ts'
import { jobRoutes } from '#api/routes/jobs.ts'
import { popularityRoutes } from '#api/routes/popularity.ts'
import { promotionRoutes } from '#api/routes/promotions.ts'
import { publicStatisticsRoutes, statisticsRoutes } from '#api/routes/statistics.ts'
import { statusRoutes } from '#api/routes/status.ts'
import { tokenRoutes } from '#api/routes/tokens.ts'
import { RegistryError } from '#oci/errors.ts'
import type { ApiApp, ApiEnv, ApiStores } from './api-context.ts'
import { problem, problemOf } from './problem.ts'

export type ApiAppOptions = {
  readonly stores: ApiStores
  readonly authenticator: Authenticator
  readonly log: (error: unknown) => void
}

export const maxApiBodyBytes = 4 << 20

export function makeApi({ stores, authenticator, log }: ApiAppOptions): ApiApp {
  const app: ApiApp = new OpenAPIHono<ApiEnv>({
    defaultHook: (result) => {
      if (result.success) return
      const issue = result.error.issues[0]!
      throw new RegistryError('REQUEST_INVALID', `${issue.path.join('.') || 'the request'}: ${issue.message}`)
    },
  })
  app.onError((error) => problemOf(error, log))
  app.notFound((context) =>
    problem(
      404,
      'NOT_FOUND',
      'there is nothing at this address',
      `${context.req.method} ${context.req.path} is no route; /api/openapi.json lists them`,
    ),
  )
  app.doc('/api/openapi.json', { openapi: '3.1.0', info: { title: 'Flotilla control API', version: '1' } })
  // Before the door: what anybody may know.
  statusRoutes(app, stores)
  publicStatisticsRoutes(app, stores)
  app.use('/api/v1/*', async (context, next) => {
    const authorization = context.req.header('authorization')
    const caller = authorization === undefined ? undefined : await authenticator.authenticate(authorization, true)
    // A registry token is for the registry: it is narrowed to repositories and opens nothing here.
    if (!caller || caller.scopes !== undefined) {
      throw new RegistryError(
        'UNAUTHORIZED',
        'send Authorization: Bearer <token>, the admin token or name@secret of a robot',
        {
          headers: { 'www-authenticate': 'Bearer realm="flotilla"' },
        },
      )
    }
    context.set('identity', caller.identity)
    await next()
  })
  for (const add of [
    promotionRoutes,
    generationRoutes,
    candidateRoutes,
    hostRoutes,
    checkInRoutes,
    explainRoutes,
    jobRoutes,
    eventRoutes,
    popularityRoutes,
    statisticsRoutes,
    tokenRoutes,
  ])
    add(app, stores)
  return app
}
