import { describe, expect, test } from 'bun:test'
import { frontDoorPrefixKey, Tickets } from '#access/ticket.ts'
import { clientAddressReader } from '#http/client-address.ts'
import { parseAddress, prefixKey } from '#kit/address.ts'
import { noPlaces } from '#snapshots/places.ts'
import { makeAsk } from '../../../test/kit/front-door.ts'
import { Askers, type Replica } from './asker.ts'

const digest = `sha256:${'1'.repeat(64)}`
const nowMs = 1_800_000_000_000
const tickets = new Tickets(Buffer.alloc(32, 1), 600_000)
const id = '0123456789abcdef0123456789abcdef'
const docker = 'docker/28.5.2 go/go1.24.8 kernel/6.12.0 os/linux arch/amd64 UpstreamClient(Docker-Client/28.5.2)'

function open(clock = { nowMs }) {
  const parts = { readClientAddress: clientAddressReader([]), places: noPlaces, tickets, isBehindTls: false }
  return new Askers({ ...parts, now: () => clock.nowMs }, { userBlobs: 3, maxNetworks: 10 })
}

const ask = (headers: Record<string, string> = {}, query = '', peer = '192.0.2.7') => ({
  ...makeAsk(`/blobs/x?${query}`, headers),
  peer,
})
const ticketFor = (ip: string, about = digest, hostId = 0) =>
  `t=${tickets.issue(hostId, { prefixKey: prefixKey(parseAddress(ip)!), digest: about, nowMs })}`
const who = (askers: Askers, asked: ReturnType<typeof ask>, share = 1) => {
  const read = askers.read(asked, { digest, share })
  return read === 'user' ? 'user' : read.key
}

describe('a user', () => {
  test.each([
    ['by its ticket', ask({}, ticketFor('192.0.2.7')), 'user'],
    ['by a ticket of its network', ask({}, `a=1&${ticketFor('192.0.2.200')}`), 'user'],
    ['by a ticket for a host, when the origin is one', ask({}, ticketFor('192.0.2.7', digest, 5)), 'user'],
    [
      'by a ticket of a front door that reads for one',
      ask({}, `t=${tickets.issue(0, { prefixKey: frontDoorPrefixKey, digest, nowMs })}`),
      'user',
    ],
    ['not by a ticket of another network', ask({}, ticketFor('198.51.100.7')), '192.0.2.7'],
    ['not by a ticket for another blob', ask({}, ticketFor('192.0.2.7', `sha256:${'2'.repeat(64)}`)), '192.0.2.7'],
    ['not by a forged one', ask({}, 't=abc'), '192.0.2.7'],
    ['not while it calls itself a replica', ask({ 'flotilla-replica': id }, ticketFor('192.0.2.7')), `12582914/${id}`],
  ])('%s', (_, asked, expected) => {
    expect(who(open(), asked)).toBe(expected)
  })

  test('not by an old ticket', () => {
    const clock = { nowMs: nowMs + 12 * 60_000 }
    expect(who(open(clock), ask({}, ticketFor('192.0.2.7')))).toBe('192.0.2.7')
  })

  test.each([
    docker,
    'containerd/2.1.4',
    'containers/5.36.1 (github.com/containers/image)',
    'skopeo/1.20.0',
    'Buildah/1.41',
    'libpod/5.6.0',
    'cri-o/1.34 go/1.24',
    'go-containerregistry',
    'oras/1.3.3',
  ])('by the name of a registry’s client: %s', (agent) => {
    expect(who(open(), ask({ 'user-agent': agent }))).toBe('user')
  })

  test.each(['', 'curl/8.14.1', 'Wget/1.25', 'flotilla/0.1.0', 'notdocker/1', 'dockerish', 'rsync'])(
    'not by %p',
    (agent) => {
      expect(who(open(), ask({ 'user-agent': agent }))).toBe('192.0.2.7')
    },
  )

  test('without a ticket only for a modest number of blobs in an hour, for the whole network', () => {
    const clock = { nowMs }
    const askers = open(clock)
    const pull = (peer = '192.0.2.7', share = 1) => who(askers, ask({ 'user-agent': docker }, '', peer), share)
    expect([pull(), pull('192.0.2.8'), pull('192.0.2.9', 0.5), pull()]).toEqual(['user', 'user', 'user', '192.0.2.7'])
    expect(pull('192.0.2.7', 0.001)).toBe('user')
    expect(pull('198.51.100.1')).toBe('user')
    expect(who(askers, ask({ 'user-agent': docker }, ticketFor('192.0.2.7')))).toBe('user')
    clock.nowMs += 20 * 60_000
    expect(pull()).toBe('user')
  })
})

describe('a replica', () => {
  const read = (headers: Record<string, string>) => open().read(ask(headers), { digest, share: 1 }) as Replica

  test('is known by its name and its network, or by its address', () => {
    expect(read({ 'flotilla-replica': id }).key).toBe(`12582914/${id}`)
    for (const bad of ['', 'x', id.toUpperCase(), `${id}0`])
      expect(read({ 'flotilla-replica': bad }).key).toBe('192.0.2.7')
  })

  test('tells which host it is and which ones failed it, as far as those are names', () => {
    const told = read({
      'flotilla-replica': id,
      'flotilla-host': 'mirror.example.org',
      'flotilla-avoid': 'one, two.example.org,,THREE, a b,4,5,6,7,8,9',
    })
    expect(told.hostName).toBe('mirror.example.org')
    expect(told.avoid).toEqual(['one', 'two.example.org', '4', '5', '6'])
    expect(read({ 'flotilla-host': '../x' }).hostName).toBeUndefined()
    expect(read({}).avoid).toEqual([])
  })

  test('meets hosts as a client that checks and asks again', () => {
    expect(read({}).client).toMatchObject({ kind: 'forgiving', isTls: false, prefixKey: 12582914 })
  })
})
