import { createRoute, z } from '@hono/zod-openapi'
import { type ApiApp, type ApiStores, json, need, refusals } from '#api/api-context.ts'
import { RegistryError } from '#oci/errors.ts'

const explain = createRoute({
  method: 'get',
  path: '/api/v1/explain',
  summary: 'What the front door would answer now, and why',
  request: {
    query: z.object({
      ip: z.string(),
      digest: z.string().optional(),
      ref: z
        .string()
        .optional()
        .openapi({ description: 'Instead of a digest: explains its manifest and every layer.' }),
      seed: z.coerce
        .number()
        .int()
        .min(0)
        .optional()
        .openapi({ description: 'The time to decide for, in ms; default: now.' }),
      agent: z.string().max(1000).optional().openapi({ description: 'User-Agent of the client.' }),
      range: z.string().max(1000).optional().openapi({ description: 'Range header of the request, as `bytes=0-99`.' }),
      tls: z.enum(['true', 'false']).optional().openapi({
        description: 'Whether it comes over TLS; always where the public address of the front door is https.',
      }),
      method: z.enum(['GET', 'HEAD']).default('GET'),
    }),
  },
  responses: { 200: json(z.unknown(), 'The whole decision.'), ...refusals },
})

export function explainRoutes(app: ApiApp, stores: ApiStores): void {
  app.openapi(explain, async (context) => {
    need(context, 'read')
    const { ip, digest, ref, seed, agent, range, tls, method } = context.req.valid('query')
    if ((digest === undefined) === (ref === undefined))
      throw new RegistryError('REQUEST_INVALID', 'name either a digest or a ref')
    const decision = await stores.explain({
      address: ip,
      digest,
      reference: ref,
      seed,
      userAgent: agent,
      range,
      isTls: tls === undefined ? undefined : tls === 'true',
      method,
    })
    return context.json(decision as never, 200)
  })
}
