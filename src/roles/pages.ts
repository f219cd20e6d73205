// The status pages on the api listener, and what they and the status routes may tell: the front door's own snapshots.

import { ApiClient } from '#api/client.ts'
import type { PublicSide } from '#api/public/public-side.ts'
import type { Config } from '#config/config.ts'
import { PackedBytesReader } from '#stages/redirect/packed-bytes.ts'
import { makeSite } from '#web/site.ts'
import type { FrontdoorRole } from './frontdoor.ts'
import type { OpenFront } from './open-front.ts'
import { addressOf } from './resources.ts'

/** Undefined for a request that is not for a page. `ask` hands a request to the API of this process. */
export type Pages = (
  request: Request,
  ask: (request: Request) => Response | Promise<Response>,
) => Promise<Response | undefined>

export function openPages(): Pages {
  const site = makeSite()
  // Without any token, over no network: a page can show only what the API tells strangers.
  return (request, ask) =>
    site(request, new ApiClient({ url: 'http://api.invalid', token: undefined, send: ask }), Date.now())
}

/** Apart from the front door's own memory, so that visitors of pages cannot push out what clients pull. */
const manifestMemoryBytes = 16 << 20

export function publicSideOf(
  config: Config,
  { front }: Pick<OpenFront, 'front'>,
  frontdoor: FrontdoorRole | undefined,
): PublicSide {
  const reader = new PackedBytesReader(manifestMemoryBytes)
  // Apart, with its port left to chance, only the front door itself knows it.
  const port = frontdoor?.listeners.frontdoor?.port ?? config.listen.frontdoor.port
  const isKnown = config.urls.frontdoor !== undefined || port !== 0
  return {
    frontdoorUrl: isKnown ? addressOf(config, 'frontdoor', port) : undefined,
    view: () => front.parts.holder.current,
    readManifest: async ({ digest, bytes }) => reader.find(digest) ?? (await reader.read(digest, bytes)),
  }
}
