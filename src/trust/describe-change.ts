// What a root changes against the one before, in words, for whoever is asked to sign it.

import type { Metadata, Root } from '@tufjs/models'
import { epochOf } from './root-document.ts'
import { trustRoles } from './signed-document.ts'

/** One sentence for each change; ids are whole, because a holder compares them with what was told by another way. */
export function describeChange(before: Metadata<Root>, next: Metadata<Root>): string[] {
  const said: string[] = []
  for (const role of trustRoles) {
    const [old, now] = [before.signed.roles[role]!, next.signed.roles[role]!]
    for (const id of now.keyIDs.filter((one) => !old.keyIDs.includes(one))) said.push(`${role}: key ${id} is added`)
    for (const id of old.keyIDs.filter((one) => !now.keyIDs.includes(one))) said.push(`${role}: key ${id} is removed`)
    if (old.threshold !== now.threshold || old.keyIDs.length !== now.keyIDs.length)
      said.push(`${role}: ${ofKeys(now)} must sign, before ${ofKeys(old)}`)
  }
  const [oldEpoch, newEpoch] = [epochOf(before), epochOf(next)]
  if (oldEpoch.epoch !== newEpoch.epoch) said.push(`epoch ${newEpoch.epoch} begins, before ${oldEpoch.epoch}`)
  for (const [channel, floor] of Object.entries(newEpoch.after)) {
    if (oldEpoch.after[channel] !== floor)
      said.push(`generations of ${channel} up to ${floor} are over: the next one is higher`)
  }
  said.push(`it is good until ${next.signed.expires}, the one before until ${before.signed.expires}`)
  return said
}

/** What a root says by itself, when there is nothing to compare it with. */
export function describeRoot(root: Metadata<Root>): string[] {
  const said = trustRoles.flatMap((role) => {
    const { keyIDs, threshold } = root.signed.roles[role]!
    return [`${role}: ${ofKeys({ keyIDs, threshold })} must sign`, ...keyIDs.map((id) => `${role}: key ${id}`)]
  })
  const { epoch, after } = epochOf(root)
  const floors = Object.entries(after).map(([channel, floor]) => `${channel} after generation ${floor}`)
  return [...said, `epoch ${[epoch, ...floors].join(', ')}`, `it is good until ${root.signed.expires}`]
}

function ofKeys({ keyIDs, threshold }: { readonly keyIDs: readonly string[]; readonly threshold: number }): string {
  return keyIDs.length === 1 ? 'its one key' : `${threshold} of ${keyIDs.length} keys`
}
