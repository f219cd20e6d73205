// Whom a round of liveness asks, and for what: hosts that are switched on, for a blob that is proven there.

import type { PlacementFacts } from './build-placement.ts'
import type { LivenessTarget } from './check-liveness.ts'
import { noPresence, type Presence, type TreeBlob, type TreeRecords, urlsOf } from './host-records.ts'

export type TargetTools = {
  readonly tree: Pick<TreeRecords, 'findBlob' | 'pickBlob'>
  readonly random: () => number
}

/** A proven blob is drawn this often before a host counts as one without any. */
const draws = 4

export async function chooseTargets(
  { hosts, presence }: Pick<PlacementFacts, 'hosts' | 'presence'>,
  { channel, isBehindTls }: { readonly channel: string; readonly isBehindTls: boolean },
  tools: TargetTools,
): Promise<Map<number, LivenessTarget>> {
  const targets = new Map<number, LivenessTarget>()
  for (const host of hosts) {
    const declared = urlsOf(host, channel)
    // Where clients come over https, the https addresses are the ones that they are sent to.
    const isOurs = (url: string) => url.startsWith('https:') || !isBehindTls
    const urls = [...declared.filter(isOurs), ...declared.filter((url) => !isOurs(url))]
    if (urls.length === 0 || !host.isAdminActive || !host.isUserActive) continue
    const blob = await pickProven(presence.get(host.id) ?? noPresence, channel, tools)
    targets.set(host.id, { hostId: host.id, urls, blob, hasTicket: host.ticket === 'query' })
  }
  return targets
}

/** Another one each time, so that no host can keep just the ones we ask for. */
async function pickProven(
  presence: Presence,
  channel: string,
  { tree, random }: TargetTools,
): Promise<TreeBlob | undefined> {
  for (let i = 0; i < draws && presence.generation > 0; i++) {
    const blob = await tree.pickBlob(channel, presence.generation, random())
    // Looked through a few times a round: cheaper than a set, where a host lacks much.
    if (blob && !presence.missing.includes(blob.digest)) return blob
  }
  const extra = presence.extra[Math.floor(random() * presence.extra.length)]
  return extra === undefined ? undefined : tree.findBlob(channel, extra)
}
