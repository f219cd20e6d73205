import type { FrontDoor } from '#stages/redirect/front-door.ts'
import type { Mirror } from './mirror.ts'
import type { Resources } from './resources.ts'

/** The pages of the web listener; a request for none of them passes on. */
export function pagesOf(
  _resources: Resources,
  _front: FrontDoor | undefined,
  _mirror: Mirror | undefined,
): (request: Request) => Promise<Response | undefined> {
  return async () => undefined
}
