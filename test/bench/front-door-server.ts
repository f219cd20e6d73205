// A front door alone in its process, for redirect.ts and swap.ts: a publication read from packs, 1,000 hosts that are alive, the address
// database that comes with the program, and nothing behind it. Its one argument is FrontServerOptions with a port, as JSON.

import { openBlobFile } from '#blobs/disk/open-blob-file.ts'
import { clientAddressReader } from '#http/client-address.ts'
import { listenWire } from '#http/wire/listen-wire.ts'
import { parseCidr } from '#kit/address.ts'
import { applyPack } from '#snapshots/apply-pack.ts'
import { SnapshotHolder } from '#snapshots/holder.ts'
import { bundledCountryFile, openPlaces } from '#snapshots/places.ts'
import type { Publication } from '#snapshots/publication.ts'
import { readPack } from '#snapshots/read-pack.ts'
import { answerFront } from '#stages/redirect/answer-front.ts'
import { FrontDoor, frontDefaults } from '#stages/redirect/front-door.ts'
import type { FrontServerOptions } from './pinned-server.ts'
import { realFleet } from './real-fleet.ts'

const { port, packs, ticket, tree, missing, isFixed, isSwapping } = JSON.parse(
  process.argv[2]!,
) as FrontServerOptions & {
  readonly port: number
}
const [first = '', ...following] = packs
const channel = 'bench'
const holder = new SnapshotHolder(channel)
let publication: Publication = await applyPack(undefined, await readPack(first))
holder.takePublication(publication)
const hosts = realFleet(1000, { generation: publication.generation, ticket, missing })

async function takeFleet(): Promise<void> {
  const builtAtMs = Date.now()
  const dated = { format: 1, version: builtAtMs, builtAtMs } as const
  await holder.takePlacementGently({ ...dated, channel, hosts })
  const well = { isAlive: true, reason: undefined, checkedAtMs: builtAtMs, roundTripMs: 5, circuit: 'closed' } as const
  holder.takeHealth({ ...dated, hosts: hosts.map(({ id }) => ({ id, ...well })) })
}

async function swap(): Promise<void> {
  const next = following.shift()
  if (next !== undefined) {
    publication = await applyPack(publication, await readPack(next))
    holder.takePublication(publication)
  }
  await takeFleet()
}
await takeFleet()
setInterval(isSwapping ? swap : takeFleet, isSwapping ? 1000 : 20_000)

const front = new FrontDoor(
  {
    holder,
    places: await openPlaces({ countryFile: bundledCountryFile(), asnFile: undefined, countryOverrides: [] }),
    readClientAddress: clientAddressReader([parseCidr('127.0.0.1/32')!]),
    ticketKey: Buffer.alloc(32, 1),
    report: () => undefined,
    now: Date.now,
    random: Math.random,
    outbound: {
      send: () => Promise.reject(new Error('there is nobody behind this front door')),
    },
    openBlob: (digest, range) => openBlobFile(tree, digest, range),
  },
  frontDefaults,
)
const fixed = {
  status: 307,
  headers: {
    location: `${hosts[0]!.urls[0]}/blobs/sha256/ab/${'0'.repeat(64)}`,
    'cache-control': 'no-store',
    'docker-content-digest': `sha256:${'0'.repeat(64)}`,
    'flotilla-generation': String(publication.generation),
  },
}
listenWire(isFixed ? () => fixed : (ask) => answerFront(ask, front), { host: '127.0.0.1', port, log: console.error })
process.on('SIGTERM', () => {
  const rssMib = Math.round(process.memoryUsage().rss / 2 ** 20)
  const { redirects, manifests, originNoHost } = front.counters
  console.error(
    JSON.stringify({ ticket, rssMib, generation: publication.generation, redirects, manifests, originNoHost }),
  )
  process.exit(0)
})
