// A front door alone in its process, for redirect.ts: a publication read from a pack, hosts that are alive, and nothing behind it.
// Arguments: the pack, the port, and which server adapter: `wire` (ours) or `bun` (Bun.serve).

import { clientAddressReader } from '#http/client-address.ts'
import { listen } from '#http/serve-bun.ts'
import { listenWire } from '#http/wire/listen-wire.ts'
import { parseCidr } from '#kit/address.ts'
import { applyPack } from '#snapshots/apply-pack.ts'
import { SnapshotHolder } from '#snapshots/holder.ts'
import { noPlaces } from '#snapshots/places.ts'
import { readPack } from '#snapshots/read-pack.ts'
import { answerFront } from '#stages/redirect/answer-front.ts'
import { FrontDoor, frontDefaults } from '#stages/redirect/front-door.ts'
import { placed } from '../kit/front-door.ts'

const [pack = '', port = '0', adapter = 'wire', ticket = 'none'] = process.argv.slice(2)
const holder = new SnapshotHolder('bench')
holder.takePublication(await applyPack(undefined, await readPack(pack)))

const hosts = Array.from({ length: 30 }, (_, i) =>
  placed(i + 1, `http://192.0.2.${i + 1}`, {
    generation: 1,
    bandwidthMbps: 100 * (i + 1),
    ticket: ticket === 'query' ? 'query' : 'none',
  }),
)
function refresh(): void {
  const builtAtMs = Date.now()
  holder.takePlacement({ format: 1, version: builtAtMs, builtAtMs, channel: 'bench', hosts })
  const well = { isAlive: true, reason: undefined, checkedAtMs: builtAtMs, roundTripMs: 5, circuit: 'closed' } as const
  holder.takeHealth({ format: 1, version: builtAtMs, builtAtMs, hosts: hosts.map(({ id }) => ({ id, ...well })) })
}
refresh()
setInterval(refresh, 10_000)

const front = new FrontDoor(
  {
    holder,
    places: noPlaces,
    readClientAddress: clientAddressReader([parseCidr('127.0.0.1/32')!]),
    ticketKey: Buffer.alloc(32, 1),
    report: () => undefined,
    now: Date.now,
    random: Math.random,
    outbound: {
      send: () => Promise.reject(new Error('there is nobody behind this front door')),
    },
    openBlob: undefined,
  },
  frontDefaults,
)
const options = { host: '127.0.0.1', port: Number(port), log: console.error, stallMs: 60_000 }
const handler = (ask: Parameters<typeof answerFront>[0]) => answerFront(ask, front)
const listener = adapter === 'bun' ? listen(handler, options) : listenWire(handler, options)
console.log(`ready ${listener.port}`)
process.on('SIGTERM', () => {
  console.error(JSON.stringify(front.counters))
  process.exit(0)
})
