// A root as what it says: who may sign what, how many of them must, until when, and in which epoch.

import { Metadata, MetadataKind, Root } from '@tufjs/models'
import { keyIdOf, makePublicKey, type PublicKey } from './public-key.ts'
import { type TrustRole, trustRoles } from './signed-document.ts'

/** A root that does not follow from the one before, or is no root; the message says what to do. */
export class RootRefused extends Error {
  override readonly name = 'RootRefused'
}

export type RootKeys = Readonly<Record<TrustRole, { readonly keys: readonly PublicKey[]; readonly threshold: number }>>

/** What a root says beside TUF: each epoch begins after the last generation that anybody may have seen (docs/operate.md). */
export type Epoch = { readonly epoch: number; readonly after: Readonly<Record<string, number>> }

export const firstEpoch: Epoch = { epoch: 1, after: {} }

export function makeRoot(version: number, keys: RootKeys, expires: Date, epoch: Epoch): Metadata<Root> {
  const all = new Map(trustRoles.flatMap((role) => keys[role].keys.map((key) => [keyIdOf(key), key] as const)))
  const root = Root.fromJSON({
    _type: MetadataKind.Root,
    version,
    spec_version: '1.0.31',
    expires: tufTime(expires),
    consistent_snapshot: true,
    keys: Object.fromEntries([...all].map(([id, { keytype, scheme, keyval }]) => [id, { keytype, scheme, keyval }])),
    roles: Object.fromEntries(
      trustRoles.map((role) => [role, { keyids: keys[role].keys.map(keyIdOf), threshold: keys[role].threshold }]),
    ),
    flotilla: { format: 1, epoch: epoch.epoch, after: { ...epoch.after } },
  })
  return new Metadata(root)
}

/** Throws RootRefused when it names what we would not make: keys of another kind, or under ids that are not theirs. */
export function keysOf(root: Metadata<Root>): RootKeys {
  const of = (role: TrustRole) => {
    const { keyIDs, threshold } = root.signed.roles[role]!
    return { keys: keyIDs.map((id) => keyOf(root, id)), threshold }
  }
  return { root: of('root'), timestamp: of('timestamp'), snapshot: of('snapshot'), targets: of('targets') }
}

/** Ids of the keys that it names for a role; none without a root. */
export function keyIdsOf(root: Metadata<Root> | undefined, role: TrustRole): readonly string[] {
  return root?.signed.roles[role]?.keyIDs ?? []
}

export function epochOf(root: Metadata<Root>): Epoch {
  const { epoch, after } = (root.signed.unrecognizedFields.flotilla ?? {}) as Partial<Epoch>
  const floors = Object.entries(after ?? {}).filter(([, value]) => Number.isSafeInteger(value) && value >= 0)
  return { epoch: Number.isSafeInteger(epoch) ? epoch! : 1, after: Object.fromEntries(floors) }
}

export function parseRoot(bytes: Uint8Array): Metadata<Root> {
  try {
    return Metadata.fromJSON(MetadataKind.Root, JSON.parse(Buffer.from(bytes).toString('utf8')))
  } catch (error) {
    throw new RootRefused(`not a TUF root: ${(error as Error).message}`, { cause: error })
  }
}

/** Throws RootRefused for a root that readers would take by its signatures, but that says what was surely not meant: one key under two
 *  names, which would count twice, or a role that nobody can ever fulfil. */
export function requireSound(root: Metadata<Root>): void {
  const { version, consistentSnapshot, expires, roles } = root.signed
  const refuse = (why: string): never => {
    throw new RootRefused(`root ${version} ${why}`)
  }
  if (!Number.isSafeInteger(version) || version < 1) refuse('has no version')
  if (!consistentSnapshot) refuse('is not of a consistent snapshot')
  if (Number.isNaN(Date.parse(expires))) refuse('has no time of expiry')
  if (Object.keys(roles).length !== trustRoles.length) refuse('names roles that are not known here')
  for (const [role, { keys, threshold }] of Object.entries(keysOf(root))) {
    if (!Number.isSafeInteger(threshold) || threshold < 1 || threshold > keys.length)
      refuse(`asks for ${threshold} of ${keys.length} keys for ${role}`)
  }
}

/** As TUF writes times: seconds, UTC. */
export function tufTime(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`
}

function keyOf(root: Metadata<Root>, id: string): PublicKey {
  const found = root.signed.keys[id]
  if (!found) throw new RootRefused(`root ${root.signed.version} names a key ${id} that it does not hold`)
  const { keyType, scheme, keyVal } = found
  if (keyType !== 'ed25519' || scheme !== 'ed25519' || !/^[0-9a-f]{64}$/.test(keyVal.public ?? ''))
    throw new RootRefused(`root ${root.signed.version} names a key that is not Ed25519: ${id}`)
  const key = makePublicKey(keyVal.public!)
  if (keyIdOf(key) !== id)
    throw new RootRefused(`root ${root.signed.version} names key ${keyIdOf(key)} under another id: ${id}`)
  return key
}
