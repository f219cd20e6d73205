import { describe, expect, test } from 'bun:test'
import { makeHolders } from '../../test/kit/root-holders.ts'
import { epochOf, firstEpoch, keysOf, makeRoot, parseRoot, requireSound } from './root-document.ts'

const [a, b, c, d, e] = makeHolders(5)
const role = (...holders: (typeof a)[]) => ({ keys: holders.map((one) => one!.publicKey), threshold: 1 })
const keys = { root: { ...role(a, b), threshold: 2 }, timestamp: role(c), snapshot: role(d), targets: role(e) }
const sound = makeRoot(1, keys, new Date(Date.now() + 86_400_000), { epoch: 2, after: { stable: 7 } })

type RootJson = {
  readonly keys: Record<string, { keytype: string }>
  readonly roles: Record<string, { keyids: string[]; threshold: number }>
  version: number
  expires: string
  consistent_snapshot: boolean
}

/** With its JSON changed. */
function changed(change: (signed: RootJson) => void) {
  const signed = structuredClone(sound.signed.toJSON()) as unknown as RootJson
  change(signed)
  return parseRoot(Buffer.from(JSON.stringify({ signed, signatures: [] })))
}

test('a root says what it was made of', () => {
  requireSound(sound)
  expect(keysOf(sound)).toEqual(keys)
  expect(epochOf(sound)).toEqual({ epoch: 2, after: { stable: 7 } })
})

describe('a root is unsound', () => {
  const table: [string, (signed: RootJson) => void, RegExp][] = [
    [
      'with one key under two ids',
      ({ keys: all, roles }) => {
        all['0'.repeat(64)] = all[a!.id]!
        roles.root!.keyids = [a!.id, '0'.repeat(64)]
      },
      /under another id: 0000/,
    ],
    [
      'with a key that it does not hold',
      ({ roles }) => roles.root!.keyids.push('1'.repeat(64)),
      /that it does not hold/,
    ],
    [
      'with a key named as a part of the language',
      ({ roles }) => roles.root!.keyids.push('constructor'),
      /not Ed25519/,
    ],
    ['with a key of another kind', ({ keys: all }) => (all[a!.id]!.keytype = 'rsa'), /not Ed25519/],
    [
      'with more signatures than keys',
      ({ roles }) => (roles.targets!.threshold = 2),
      /asks for 2 of 1 keys for targets/,
    ],
    ['with half a signature', ({ roles }) => (roles.root!.threshold = 1.5), /asks for 1.5 of 2/],
    ['with a role of strangers', ({ roles }) => (roles.mirrors = roles.root!), /roles that are not known/],
    ['of version 0', (signed) => (signed.version = 0), /has no version/],
    ['of a version with a fraction', (signed) => (signed.version = 1.5), /has no version/],
    ['without an end', (signed) => (signed.expires = 'never'), /no time of expiry/],
    ['of trees without versions', (signed) => (signed.consistent_snapshot = false), /consistent snapshot/],
  ]
  test.each(table)('%s', (_, change, message) => {
    expect(() => requireSound(changed(change))).toThrow(message)
  })
})

test('an epoch that is no number, and floors that are none, count as the first', () => {
  const strange = [
    {},
    { flotilla: null },
    { flotilla: { epoch: 'x', after: { stable: -1, testing: 1.5 } } },
    { flotilla: 7 },
  ]
  for (const fields of strange) {
    const root = changed((signed) => Object.assign(signed, { flotilla: undefined }, fields))
    expect(epochOf(root)).toEqual(firstEpoch)
  }
})

test('what is no root is refused', () => {
  for (const text of ['', '{', 'null', '[]', '7', '{"signed":{}}']) {
    expect(() => parseRoot(Buffer.from(text))).toThrow('not a TUF root')
  }
})
