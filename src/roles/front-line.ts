// What a front door follows and whom it tells, when the mirror role is not in its process: over the data folder that both share, or
// over the network from a machine of its own.

import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from '#config/config.ts'
import { ConfigError } from '#config/load-config.ts'
import { folderSource } from '#snapshots/snapshot-source.ts'
import type { ReportEvidence } from '#stages/redirect/evidence.ts'
import { readGivenRoot } from './first-root.ts'
import type { SnapshotPlaces } from './follow-snapshots.ts'
import { openFrontDoorKey, requireFrontDoorKey } from './front-door-key.ts'
import type { DeliverPulls } from './hand-over-pulls.ts'
import { type MirrorLink, openMirrorLink, ownMachinesClient } from './mirror-link.ts'
import { findMirrorListener } from './mirror-listener.ts'
import { webSource } from './web-source.ts'

export type FrontLine = AsyncDisposable & {
  readonly report: ReportEvidence
  /** Undefined: by files of the shared data folder. */
  readonly deliverPulls: DeliverPulls | undefined
  /** Undefined: the shared data folder. */
  readonly places: SnapshotPlaces | undefined
}

/** `hasTree`: the published tree lies on this machine all the same. */
export async function openFrontLine(
  config: Config,
  log: Logger,
  { isElsewhere, hasTree }: { readonly isElsewhere: boolean; readonly hasTree: boolean },
): Promise<FrontLine> {
  const { port } = config.listen.frontdoor
  const url = config.urls.mirror
  const key = await (isElsewhere ? requireFrontDoorKey(config) : openFrontDoorKey(config))
  const findUrl = async () => url ?? (await findMirrorListener(config))
  const link = await openMirrorLink(config, log, { findUrl, key, port })
  if (isElsewhere) return await followElsewhere(config, link, { mirrorUrl: url!, hasTree })
  const close = () => link[Symbol.asyncDispose]()
  return { report: link.report, deliverPulls: undefined, places: undefined, [Symbol.asyncDispose]: close }
}

async function followElsewhere(
  config: Config,
  link: MirrorLink,
  { mirrorUrl, hasTree }: { readonly mirrorUrl: string; readonly hasTree: boolean },
): Promise<FrontLine> {
  const stack = new AsyncDisposableStack()
  stack.use(link)
  const { root } = config.settings
  const tree = join(config.tree, config.publicChannel)
  const places = {
    documents: link.snapshotsAt(mirrorUrl),
    isElsewhere: true,
    tree: hasTree
      ? folderSource(tree, { isOurs: true })
      : webSource({ client: stack.use(await ownMachinesClient(config)), url: requireOrigin(config) }),
    root: root === undefined ? undefined : await readGivenRoot(root),
    blobs: hasTree ? tree : undefined,
  }
  const { report, deliverPulls } = link
  return { report, deliverPulls, places, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

function requireOrigin({ urls }: Config): string {
  if (urls.origin !== undefined) return urls.origin
  throw new ConfigError(
    'mirror-url: a front door on a machine of its own follows the published tree from the origin too: set origin-url',
  )
}
