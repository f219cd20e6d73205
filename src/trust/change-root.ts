// The root after a change of keys, thresholds or epoch, before anybody has signed it.

import type { Metadata, Root } from '@tufjs/models'
import { keyIdOf, type PublicKey } from './public-key.ts'
import { type Epoch, epochOf, keysOf, makeRoot, type RootKeys, RootRefused } from './root-document.ts'
import { onlineRoles, type TrustRole } from './signed-document.ts'

export type KeyChange = {
  readonly role: TrustRole
  readonly add?: readonly PublicKey[]
  /** Key ids, or what they begin with. */
  readonly remove?: readonly string[]
  readonly threshold?: number | undefined
}

const leastIdDigits = 6

/** Changes add up: `base` is the proposal that waits for signatures, else the newest root. */
export function changeRoot(base: Metadata<Root>, version: number, changes: readonly KeyChange[], expires: Date) {
  const keys = changes.reduce(changeKeys, keysOf(base))
  return makeRoot(version, keys, expires, epochOf(base))
}

/** The next epoch. `newest`: the root that is in force; floors never fall. */
export function beginEpoch(base: Metadata<Root>, newest: Metadata<Root>, after: Epoch['after']): Metadata<Root> {
  const before = epochOf(newest)
  const kept = keptOnlineRoles(base, newest)
  if (kept.length > 0)
    throw new RootRefused(`a new epoch needs new keys, and ${kept.join(', ')} would keep one: rotate them first`)
  const floors = { ...before.after }
  for (const [channel, floor] of Object.entries(after)) {
    if (floor < (floors[channel] ?? 0))
      throw new RootRefused(`generation ${floor} of ${channel} lies before ${floors[channel]}, where this epoch began`)
    floors[channel] = floor
  }
  const { version, expires } = base.signed
  return makeRoot(version, keysOf(base), new Date(expires), { epoch: before.epoch + 1, after: floors })
}

/** Online roles in which `base` still names a key of `newest`. */
export function keptOnlineRoles(base: Metadata<Root>, newest: Metadata<Root>): TrustRole[] {
  return onlineRoles.filter((role) =>
    newest.signed.roles[role]!.keyIDs.some((id) => base.signed.roles[role]!.keyIDs.includes(id)),
  )
}

function changeKeys(keys: RootKeys, { role, add = [], remove = [], threshold }: KeyChange): RootKeys {
  const before = keys[role]
  const removed = new Set(remove.map((text) => findKeyId(before.keys, role, text)))
  const known = new Set(before.keys.map(keyIdOf))
  for (const key of add) {
    if (known.has(keyIdOf(key))) throw new RootRefused(`key ${keyIdOf(key)} signs for ${role} already`)
    known.add(keyIdOf(key))
  }
  requireOneRole(keys, role, add)
  const after = [...before.keys.filter((key) => !removed.has(keyIdOf(key))), ...add]
  const asked = threshold ?? before.threshold
  if (role !== 'root' && asked !== 1) throw new RootRefused(`${role} is signed by one key: its threshold is 1`)
  if (asked < 1 || asked > after.length)
    throw new RootRefused(`${asked} of ${after.length} keys cannot sign for ${role}: add keys or lower the threshold`)
  return { ...keys, [role]: { keys: after, threshold: asked } }
}

/** One key for two roles would be one theft for two. */
function requireOneRole(keys: RootKeys, role: TrustRole, add: readonly PublicKey[]): void {
  for (const [other, { keys: theirs }] of Object.entries(keys)) {
    const both = add.find((key) => theirs.some((their) => keyIdOf(their) === keyIdOf(key)))
    if (both && other !== role) throw new RootRefused(`key ${keyIdOf(both)} signs for ${other}: ${role} needs its own`)
  }
}

function findKeyId(keys: readonly PublicKey[], role: TrustRole, text: string): string {
  const found = keys.map(keyIdOf).filter((id) => text.length >= leastIdDigits && id.startsWith(text))
  if (found.length === 1) return found[0]!
  const ids = keys.map((key) => keyIdOf(key)).join(', ')
  throw new RootRefused(`${JSON.stringify(text)} is no key of ${role}; they are ${ids}`)
}
