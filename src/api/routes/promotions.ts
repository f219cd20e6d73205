import { createRoute, z } from '@hono/zod-openapi'
import { type ApiApp, type ApiStores, json, need, refusals } from '#api/api-context.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseName, parseTag, type Tag } from '#oci/name.ts'
import { parseImageReference } from '#oci/reference.ts'
import { applyPromotion } from '#stages/promote/apply-promotion.ts'
import { applyRollback } from '#stages/promote/apply-rollback.ts'

const maxReferences = 10_000

const ActResult = z
  .object({
    id: z.string(),
    channel: z.string(),
    isDryRun: z.boolean(),
    repositories: z.array(
      z.object({
        repository: z.string(),
        version: z.int(),
        tags: z.array(z.object({ tag: z.string(), from: z.string().nullable(), to: z.string().nullable() })),
        manifestsAdded: z.int(),
      }),
    ),
    publication: z.string().optional().openapi({ description: 'The job that publishes it, for a public channel.' }),
  })
  .openapi('ActResult')

const keyHeader = z.object({ 'idempotency-key': z.string().min(1).max(200).optional() })

const promote = createRoute({
  method: 'post',
  path: '/api/v1/promotions',
  summary: 'Move images to a channel, all or nothing',
  request: {
    headers: keyHeader,
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z.strictObject({
            references: z
              .array(z.string().max(600))
              .min(1)
              .max(maxReferences)
              .openapi({ example: ['fedora:44', 'httpd@sha256:…'] }),
            to: z.string(),
            from: z
              .string()
              .optional()
              .openapi({ description: 'The channel they are in; default: where pushes land.' }),
            tags: z
              .array(z.string())
              .max(100)
              .optional()
              .openapi({ description: 'Tags to set; default: the tag of each reference.' }),
            reason: z.string().max(2000).optional(),
            dryRun: z.boolean().optional(),
          }),
        },
      },
    },
  },
  responses: { 200: json(ActResult, 'What a dry run would do.'), 201: json(ActResult, 'What was done.'), ...refusals },
})

const rollback = createRoute({
  method: 'post',
  path: '/api/v1/rollbacks',
  summary: 'Put a repository or a whole channel back as it was, as a new version',
  request: {
    headers: keyHeader,
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z.strictObject({
            channel: z.string().optional().openapi({ description: 'Default: the channel that the front door serves.' }),
            repository: z.string().optional(),
            version: z
              .int()
              .min(0)
              .optional()
              .openapi({ description: 'With repository; default: the version before.' }),
            generation: z
              .int()
              .min(1)
              .optional()
              .openapi({ description: 'Instead of repository: every repository as of it.' }),
            reason: z.string().max(2000).optional(),
            dryRun: z.boolean().optional(),
          }),
        },
      },
    },
  },
  responses: { 200: json(ActResult, 'What a dry run would do.'), 201: json(ActResult, 'What was done.'), ...refusals },
})

export function promotionRoutes(app: ApiApp, stores: ApiStores): void {
  app.openapi(promote, async (context) => {
    const identity = need(context, 'promote')
    const body = context.req.valid('json')
    const result = await applyPromotion(
      {
        items: body.references.map(requireReference),
        from: body.from ?? stores.candidateChannel,
        to: body.to,
        tags: (body.tags ?? []).map(requireTag),
        reason: body.reason,
        actor: identity.name,
        isDryRun: body.dryRun ?? false,
        idempotencyKey: context.req.valid('header')['idempotency-key'],
      },
      stores.promote,
    )
    return context.json(result as never, result.isDryRun ? 200 : 201)
  })

  app.openapi(rollback, async (context) => {
    const identity = need(context, 'promote')
    const body = context.req.valid('json')
    const result = await applyRollback(
      {
        channel: body.channel ?? stores.publicChannel,
        to: rollbackTarget(body),
        reason: body.reason,
        actor: identity.name,
        isDryRun: body.dryRun ?? false,
        idempotencyKey: context.req.valid('header')['idempotency-key'],
      },
      stores.promote,
    )
    stores.nudge()
    return context.json(result as never, result.isDryRun ? 200 : 201)
  })
}

function rollbackTarget(body: {
  repository?: string | undefined
  version?: number | undefined
  generation?: number | undefined
}) {
  if ((body.repository === undefined) === (body.generation === undefined)) {
    throw new RegistryError('REQUEST_INVALID', 'name either a repository or a generation')
  }
  if (body.generation !== undefined) return { generation: body.generation }
  const name = parseName(body.repository!)
  if (!name) throw new RegistryError('NAME_INVALID', `${JSON.stringify(body.repository)} is no repository name`)
  return { name, version: body.version }
}

function requireReference(text: string) {
  const reference = parseImageReference(text)
  if (!reference)
    throw new RegistryError(
      'REQUEST_INVALID',
      `${JSON.stringify(text)} is no reference: write name, name:tag or name@digest`,
    )
  return reference
}

function requireTag(text: string): Tag {
  const tag = parseTag(text)
  if (!tag) throw new RegistryError('TAG_INVALID', `${JSON.stringify(text.slice(0, 140))} is no tag`)
  return tag
}
