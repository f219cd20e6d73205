// What the data plane serves by, in memory. A request takes `current` once and sees one state of everything; a new snapshot
// replaces it in one assignment; one that is bad or older is refused, and the old one stays.
import type { HealthDocument } from './health.ts'
import {
  type HealthIndex,
  indexHealth,
  indexPlacement,
  indexPlacementGently,
  type PlacementIndex,
} from './index-placement.ts'
import type { PlacementDocument } from './placement.ts'
import type { Publication } from './publication.ts'
import { indexPublication, type PublicationIndex } from './publication-index.ts'
import { indexWithdrawals, type Withdrawals, type WithdrawalsDocument } from './withdrawals.ts'

export type View = {
  /** Undefined until the first one has arrived. */
  readonly publication: PublicationIndex | undefined
  readonly fleet: { readonly placement: PlacementIndex; readonly health: HealthIndex }
  readonly withdrawals: Withdrawals
}

export class SnapshotRefused extends Error {
  override readonly name = 'SnapshotRefused'
}

type Dated = { readonly version: number; readonly builtAtMs: number }

/** False: it is the one that is held. Both numbers must be lower to be refused: a mirror role that lost its count still goes on. */
function isNews(what: string, held: Dated, offered: Dated): boolean {
  if (!Number.isSafeInteger(offered.version) || !Number.isFinite(offered.builtAtMs)) {
    throw new SnapshotRefused(`${what}: no version or no time`)
  }
  if (offered.version < held.version && offered.builtAtMs <= held.builtAtMs) {
    throw new SnapshotRefused(`${what}: version ${offered.version} is older than ${held.version}, which is held`)
  }
  return offered.version !== held.version || offered.builtAtMs !== held.builtAtMs
}

export class SnapshotHolder {
  #channel: string | undefined
  #view: View

  /** `channel` undefined: that of the first publication. */
  constructor(channel: string | undefined) {
    this.#channel = channel
    const empty = { format: 1, version: 0, builtAtMs: 0 } as const
    const placement = indexPlacement({ ...empty, channel: channel ?? '', hosts: [] })
    const health = indexHealth({ ...empty, hosts: [] })
    this.#view = {
      publication: undefined,
      fleet: { placement, health },
      withdrawals: indexWithdrawals({ ...empty, withdrawn: [] }),
    }
  }

  get current(): View {
    return this.#view
  }

  takePublication(publication: Publication): void {
    const held = this.#view.publication?.generation ?? 0
    this.#channel ??= publication.channel
    if (publication.channel !== this.#channel) throw new SnapshotRefused(`a publication of ${publication.channel}`)
    if (publication.generation < held) {
      throw new SnapshotRefused(`generation ${publication.generation} is older than ${held}, which is held`)
    }
    if (publication.generation > held) this.#view = { ...this.#view, publication: indexPublication(publication) }
  }

  takePlacement(document: PlacementDocument): void {
    if (this.#isPlacementNews(document)) this.#putPlacement(indexPlacement(document))
  }

  /** The same, without holding up who is served meanwhile. */
  async takePlacementGently(document: PlacementDocument): Promise<void> {
    if (!this.#isPlacementNews(document)) return
    const placement = await indexPlacementGently(document)
    if (this.#isPlacementNews(document)) this.#putPlacement(placement)
  }

  #isPlacementNews(document: PlacementDocument): boolean {
    if (document.channel !== this.#channel) throw new SnapshotRefused(`a placement of ${document.channel}`)
    return isNews('placement', this.#view.fleet.placement, document)
  }

  #putPlacement(placement: PlacementIndex): void {
    this.#view = { ...this.#view, fleet: { ...this.#view.fleet, placement } }
  }

  takeHealth(document: HealthDocument): void {
    const { fleet } = this.#view
    if (!isNews('health', fleet.health, document)) return
    this.#view = { ...this.#view, fleet: { ...fleet, health: indexHealth(document) } }
  }

  takeWithdrawals(document: WithdrawalsDocument): void {
    if (!isNews('withdrawals', this.#view.withdrawals, document)) return
    this.#view = { ...this.#view, withdrawals: indexWithdrawals(document) }
  }
}
