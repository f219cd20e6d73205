import { randomUUID } from 'node:crypto'
import type { Catalogue, Reader, Schema } from './schema.ts'

export type TokenRow = {
  readonly id: string
  readonly name: string
  readonly secretHash: Uint8Array
  /** As formatGrant writes them. */
  readonly grants: readonly string[]
  readonly createdBy: string
  readonly createdAtMs: number
  readonly expiresAtMs: number | undefined
  readonly revokedAtMs: number | undefined
}

function toRow(row: Schema['tokens']): TokenRow {
  return {
    id: row.id,
    name: row.name,
    secretHash: row.secret_hash,
    grants: JSON.parse(row.grants),
    createdBy: row.created_by,
    createdAtMs: row.created_at_ms,
    expiresAtMs: row.expires_at_ms ?? undefined,
    revokedAtMs: row.revoked_at_ms ?? undefined,
  }
}

/** False when a token of that name exists already. */
export async function addToken(
  catalogue: Catalogue,
  token: Pick<TokenRow, 'name' | 'secretHash' | 'grants' | 'createdBy' | 'createdAtMs' | 'expiresAtMs'>,
): Promise<TokenRow | undefined> {
  const row = await catalogue
    .insertInto('tokens')
    .values({
      id: randomUUID(),
      name: token.name,
      secret_hash: token.secretHash,
      grants: JSON.stringify(token.grants),
      created_by: token.createdBy,
      created_at_ms: token.createdAtMs,
      expires_at_ms: token.expiresAtMs ?? null,
      revoked_at_ms: null,
    })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returningAll()
    .executeTakeFirst()
  return row && toRow(row)
}

export async function findToken(
  db: Reader,
  by: { readonly id: string } | { readonly name: string },
): Promise<TokenRow | undefined> {
  const query = db.selectFrom('tokens').selectAll()
  const row = await ('id' in by ? query.where('id', '=', by.id) : query.where('name', '=', by.name)).executeTakeFirst()
  return row && toRow(row)
}

export async function listTokens(db: Reader): Promise<TokenRow[]> {
  return (await db.selectFrom('tokens').selectAll().orderBy('name').execute()).map(toRow)
}

/** False when there is no such token or it was revoked before. */
export async function revokeToken(catalogue: Catalogue, name: string, atMs: number): Promise<boolean> {
  const done = await catalogue
    .updateTable('tokens')
    .set({ revoked_at_ms: atMs })
    .where('name', '=', name)
    .where('revoked_at_ms', 'is', null)
    .executeTakeFirst()
  return done.numUpdatedRows > 0n
}
