import { createRoute, z } from '@hono/zod-openapi'
import { type ApiApp, type ApiStores, json, need, refusals } from '#api/api-context.ts'
import { RegistryError } from '#oci/errors.ts'

const explain = createRoute({
  method: 'get',
  path: '/api/v1/explain',
  summary: 'Where the front door would send an address for a digest, and why',
  request: {
    query: z.object({
      ip: z.string(),
      digest: z.string().optional(),
      ref: z.string().optional().openapi({ description: 'Instead of a digest: explains every layer of the image.' }),
      seed: z.coerce.number().int().min(0).optional(),
    }),
  },
  responses: { 200: json(z.unknown(), 'The whole decision.'), ...refusals },
})

export function explainRoutes(app: ApiApp, stores: ApiStores): void {
  app.openapi(explain, async (context) => {
    need(context, 'read')
    const { ip, digest, ref, seed } = context.req.valid('query')
    if ((digest === undefined) === (ref === undefined))
      throw new RegistryError('REQUEST_INVALID', 'name either a digest or a ref')
    const decision = await stores.explain({
      address: ip,
      ...(digest === undefined ? {} : { digest }),
      ...(ref === undefined ? {} : { reference: ref }),
      ...(seed === undefined ? {} : { seed }),
    })
    return context.json(decision as never, 200)
  })
}
