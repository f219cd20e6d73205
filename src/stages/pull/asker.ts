// Who asks for a blob: a user, whom a front door sent here, or a replica, a machine that copies the tree. What a replica says of
// itself is a hint that is worth something only for the network it comes from: nobody gains by borrowing another's name.

import { frontDoorPrefixKey, type Tickets } from '#access/ticket.ts'
import type { Ask } from '#http/answer.ts'
import type { ReadClientAddress } from '#http/client-address.ts'
import { TokenBuckets } from '#kit/token-buckets.ts'
import type { SelectionClient } from '#selection/client.ts'
import type { Places } from '#snapshots/places.ts'
import { isHostName } from '#snapshots/tree-path.ts'

export type Replica = {
  /** Its place in our books: the name it gave itself with its network, or its address. */
  readonly key: string
  readonly client: SelectionClient
  readonly address: string
  /** As which registered host it says it asks. */
  readonly hostName: string | undefined
  /** Hosts that it found failing or lying. */
  readonly avoid: readonly string[]
}

export type AskedBlob = {
  readonly digest: string
  /** The part of the blob that is asked for, 0 to 1. */
  readonly share: number
}

export type AskerParts = {
  readonly readClientAddress: ReadClientAddress
  readonly places: Places
  readonly tickets: Pick<Tickets, 'check'>
  /** The public address is https though a proxy before us ends the TLS. */
  readonly isBehindTls: boolean
  readonly now: () => number
}

export type AskerLimits = {
  /** Whole blobs that registry clients of one network get in an hour though no front door known here sent them. */
  readonly userBlobs: number
  readonly maxNetworks: number
}

/** So many does a replica name, the newest; one that names as many has no luck with hosts. */
export const maxAvoided = 8
const hourMs = 3_600_000
const replicaIdPattern = /^[0-9a-f]{32}$/
const ticketPattern = /(?:^|&)t=([A-Za-z0-9_-]{1,64})(?:&|$)/
/** Products that clients of registries write into their User-Agent. */
const registryClientPattern =
  /(?:^|[ (])(?:docker|containerd|containers|libpod|podman|skopeo|buildah|buildkit|cri-o|nerdctl|go-containerregistry|oras|regclient)(?:[/ ]|$)/i

export class Askers {
  readonly #parts: AskerParts
  readonly #untold: TokenBuckets

  constructor(parts: AskerParts, { userBlobs, maxNetworks }: AskerLimits) {
    this.#parts = parts
    this.#untold = new TokenBuckets({ most: userBlobs, refillMs: hourMs / userBlobs, maxEntries: maxNetworks })
  }

  /** A ticket of our front doors makes a user. So does the name of a registry's client, for a modest number of blobs: it may have been
   *  sent by a front door with a key of its own (a campus), or by another address than the one its ticket is for. */
  read(ask: Ask, { digest, share }: AskedBlob): 'user' | Replica {
    const id = ask.header('flotilla-replica')
    const { text, prefixKey } = this.#parts.readClientAddress(ask)
    if (id === undefined) {
      const nowMs = this.#parts.now()
      const ticket = ticketPattern.exec(ask.query)?.[1]
      if (ticket !== undefined && this.#isGood(ticket, digest, prefixKey)) return 'user'
      if (registryClientPattern.test(ask.header('user-agent') ?? '') && this.#untold.take(`${prefixKey}`, share, nowMs))
        return 'user'
    }
    return this.replicaOf(ask, text)
  }

  #isGood(ticket: string, digest: string, prefixKey: number): boolean {
    const { tickets, now } = this.#parts
    const nowMs = now()
    return [prefixKey, frontDoorPrefixKey].some(
      (key) => tickets.check(ticket, { prefixKey: key, digest, nowMs }) !== undefined,
    )
  }

  replicaOf(ask: Ask, text = this.#parts.readClientAddress(ask).text): Replica {
    const { address, prefixKey } = this.#parts.readClientAddress(ask)
    const { places, isBehindTls } = this.#parts
    const id = ask.header('flotilla-replica')
    const hostName = ask.header('flotilla-host')
    return {
      key: id !== undefined && replicaIdPattern.test(id) ? `${prefixKey}/${id}` : text,
      client: {
        address,
        prefixKey,
        country: places.countryOf(address),
        asn: places.asnOf(address),
        // It checks every byte and asks again: the right one to meet hosts on probation.
        kind: 'forgiving',
        isTls: ask.isTls || isBehindTls,
      },
      address: text,
      hostName: hostName !== undefined && isHostName(hostName) ? hostName : undefined,
      avoid: (ask.header('flotilla-avoid') ?? '')
        .split(',', maxAvoided)
        .map((name) => name.trim())
        .filter(isHostName),
    }
  }
}
