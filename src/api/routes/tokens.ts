import { createRoute, z } from '@hono/zod-openapi'
import { mayGrant } from '#access/decide.ts'
import { formatGrant, parseGrant } from '#access/grants.ts'
import { hashSecret, makeSecret } from '#access/secrets.ts'
import { type ApiApp, type ApiStores, json, need, refusals } from '#api/api-context.ts'
import { addToken, listTokens, revokeToken, type TokenRow } from '#catalogue/tokens.ts'
import { RegistryError } from '#oci/errors.ts'

const namePattern = /^[a-z0-9][a-z0-9._-]{0,62}$/
const maxLifetimeDays = 3650

const Token = z
  .object({
    name: z.string(),
    grants: z.array(z.string()),
    createdBy: z.string(),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().optional(),
    revokedAt: z.iso.datetime().optional(),
  })
  .openapi('Token')

const list = createRoute({
  method: 'get',
  path: '/api/v1/tokens',
  summary: 'Robot tokens; their secrets are not kept',
  responses: { 200: json(z.object({ tokens: z.array(Token) }), 'The tokens.'), ...refusals },
})
const create = createRoute({
  method: 'post',
  path: '/api/v1/tokens',
  summary: 'Make a robot token',
  request: {
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z.strictObject({
            name: z.string(),
            grants: z
              .array(z.string())
              .min(1)
              .max(100)
              .openapi({ example: ['repository:fedora/**:pull,push', 'api:promote'] }),
            lifetimeDays: z.int().min(1).max(maxLifetimeDays).optional(),
          }),
        },
      },
    },
  },
  responses: {
    201: json(Token.extend({ secret: z.string() }), 'The token. The secret is shown this once.'),
    ...refusals,
  },
})
const revoke = createRoute({
  method: 'delete',
  path: '/api/v1/tokens/{name}',
  summary: 'Revoke a robot token, at once',
  request: { params: z.object({ name: z.string() }) },
  responses: { 204: { description: 'It opens nothing any more.' }, ...refusals },
})

const rotate = createRoute({
  method: 'post',
  path: '/api/v1/token-keys/rotations',
  summary: 'Sign registry tokens with a new key; those of the key before are good until they run out',
  responses: { 201: json(z.object({ kid: z.string() }), 'The id of the new key.'), ...refusals },
})

export function tokenRoutes(app: ApiApp, { catalogue, now, rotateTokenKeys }: ApiStores): void {
  app.openapi(rotate, async (context) => {
    need(context, 'tokens')
    return context.json({ kid: await rotateTokenKeys() }, 201)
  })

  app.openapi(list, async (context) => {
    need(context, 'tokens')
    return context.json({ tokens: (await listTokens(catalogue)).map(toToken) }, 200)
  })

  app.openapi(create, async (context) => {
    const identity = need(context, 'tokens')
    const body = context.req.valid('json')
    if (!namePattern.test(body.name) || body.name === 'admin') {
      throw new RegistryError('REQUEST_INVALID', 'a name is 1 to 63 of a-z 0-9 . _ -, and not admin')
    }
    const grants = body.grants.map(parseGrant)
    const excess = grants.find((grant) => !mayGrant(identity, grant))
    if (excess)
      throw new RegistryError('DENIED', `${identity.name} may not give away ${formatGrant(excess)}: it has less itself`)
    const secret = makeSecret()
    const nowMs = now()
    const row = await addToken(catalogue, {
      name: body.name,
      secretHash: hashSecret(secret),
      grants: grants.map(formatGrant),
      createdBy: identity.name,
      createdAtMs: nowMs,
      expiresAtMs: body.lifetimeDays === undefined ? undefined : nowMs + body.lifetimeDays * 86_400_000,
    })
    if (!row) throw new RegistryError('CONFLICT', `there is a token ${body.name} already; names are not used twice`)
    return context.json({ ...toToken(row), secret }, 201)
  })

  app.openapi(revoke, async (context) => {
    need(context, 'tokens')
    const { name } = context.req.valid('param')
    if (!(await revokeToken(catalogue, name, now())))
      throw new RegistryError('NOT_FOUND', `there is no live token ${name}`)
    return context.body(null, 204)
  })
}

function toToken(row: TokenRow): z.infer<typeof Token> {
  return {
    name: row.name,
    grants: [...row.grants],
    createdBy: row.createdBy,
    createdAt: new Date(row.createdAtMs).toISOString(),
    ...(row.expiresAtMs === undefined ? {} : { expiresAt: new Date(row.expiresAtMs).toISOString() }),
    ...(row.revokedAtMs === undefined ? {} : { revokedAt: new Date(row.revokedAtMs).toISOString() }),
  }
}
