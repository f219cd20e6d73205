import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { type Address, type Cidr, cidrHas, formatCidr, networkOf, parseAddress, parseCidr } from './address.ts'
import { AddressTrie } from './address-trie.ts'

/** The slow, obvious twin. */
function bruteForce(entries: readonly (readonly [Cidr, number])[], address: Address): number[] {
  const last = new Map(entries.map((entry) => [formatCidr(entry[0]), entry]))
  return [...last.values()]
    .filter(([cidr]) => cidrHas(cidr, address))
    .sort(([a], [b]) => b.length - a.length)
    .map(([, value]) => value)
}

test('the longest network wins, whatever the order of insertion', () => {
  const entries = [
    ['10.1.2.0/24', 'site'],
    ['10.0.0.0/8', 'country'],
    ['10.1.0.0/16', 'provider'],
    ['::/0', 'six'],
  ] as const
  for (const order of [entries, [...entries].reverse()]) {
    const trie = new AddressTrie(order.map(([text, value]) => [parseCidr(text)!, value] as const))
    const find = (text: string) => trie.find(parseAddress(text)!)
    expect(find('10.1.2.3')).toBe('site')
    expect(find('10.1.3.3')).toBe('provider')
    expect(find('10.9.9.9')).toBe('country')
    expect(find('11.0.0.0')).toBeUndefined()
    expect(find('2001:db8::1')).toBe('six')
    expect(trie.findAll(parseAddress('10.1.2.3')!)).toEqual(['site', 'provider', 'country'])
  }
})

test('finds what comparing with every network finds', () => {
  // Few distinct bits, so that networks nest and meet.
  const word = fc.constantFrom(0, 0xffffffff, 0x80000000, 0x0a000001, 0x0a010203, 1)
  const address = fc.record({ family: fc.constantFrom(4 as const, 6 as const), w0: word, w1: word, w2: word, w3: word })
  const normal = address.map((a): Address => (a.family === 4 ? { ...a, w1: 0, w2: 0, w3: 0 } : a))
  const network = fc
    .tuple(normal, fc.integer({ min: 0, max: 128 }))
    .map(([a, bits]) => networkOf(a, a.family === 4 ? bits % 33 : bits))
  fc.assert(
    fc.property(fc.array(network, { maxLength: 40 }), fc.array(normal, { maxLength: 10 }), (networks, asked) => {
      const entries = networks.map((cidr, i) => [cidr, i] as const)
      const trie = new AddressTrie(entries)
      for (const one of asked) {
        const expected = bruteForce(entries, one)
        expect(trie.findAll(one)).toEqual(expected)
        expect(trie.find(one)).toBe(expected[0])
      }
    }),
    { numRuns: 300 },
  )
})
