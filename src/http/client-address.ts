// Who asks: the address behind our own proxies. X-Forwarded-For is believed only as far as trusted proxies wrote it, so it is
// walked from the right: each hop that we trust vouches for the one before it; the first other one is the client.

import { type Address, anyIpv4, type Cidr, formatAddress, parseAddress, prefixKey } from '#kit/address.ts'
import { AddressTrie } from '#kit/address-trie.ts'

export type ClientAddress = {
  readonly text: string
  readonly address: Address
  readonly family: 4 | 6
  /** The /24 or /48, as one number. */
  readonly prefixKey: number
}

/** The part of an Ask that tells who sent it. */
export type Sender = { readonly peer: string; header(name: string): string | undefined }

export type ReadClientAddress = (sender: Sender) => ClientAddress

function describe(address: Address, text: string): ClientAddress {
  return { text, address, family: address.family, prefixKey: prefixKey(address) }
}

/** An entry as proxies write it: an address, perhaps in brackets, perhaps with a port. */
function parseEntry(entry: string): Address | undefined {
  const text = entry.trim()
  if (text.startsWith('[')) {
    const end = text.indexOf(']')
    return /^\](?::[0-9]{1,5})?$/.test(text.slice(end)) ? parseAddress(text.slice(1, end)) : undefined
  }
  const colon = text.indexOf(':')
  const hasPort = colon > 0 && text.indexOf(':', colon + 1) < 0
  return hasPort
    ? /^[0-9]{1,5}$/.test(text.slice(colon + 1))
      ? parseAddress(text.slice(0, colon))
      : undefined
    : parseAddress(text)
}

/** Whether a TCP peer, as text, is one of our own proxies. */
export function trustedProxyTest(trustedProxies: readonly Cidr[]): (peer: string) => boolean {
  if (trustedProxies.length === 0) return () => false
  const trusted = new AddressTrie(trustedProxies.map((cidr) => [cidr, true] as const))
  return (peer) => {
    const address = parseAddress(peer)
    return address !== undefined && trusted.find(address) === true
  }
}

/** A peer that is no IP address (a socket file) is 0.0.0.0: a client of no network and no country. */
export function clientAddressReader(trustedProxies: readonly Cidr[]): ReadClientAddress {
  const readPeer = (sender: Sender): ClientAddress => {
    const address = parseAddress(sender.peer)
    if (!address) return describe(anyIpv4, '0.0.0.0')
    // IPv4 that parses without a colon is canonical as it stands.
    return describe(address, sender.peer.includes(':') ? formatAddress(address) : sender.peer)
  }
  if (trustedProxies.length === 0) return readPeer
  const trusted = new AddressTrie(trustedProxies.map((cidr) => [cidr, true] as const))
  return (sender) => {
    const peer = readPeer(sender)
    if (!trusted.find(peer.address)) return peer
    const header = sender.header('x-forwarded-for')
    if (!header) return peer
    let client = peer.address
    for (let end = header.length; end > 0; ) {
      const comma = header.lastIndexOf(',', end - 1)
      const address = parseEntry(header.slice(comma + 1, end))
      // What a hop wrote that cannot be read vouches for nothing: the last hop that could be read is who asks.
      if (!address) break
      client = address
      if (!trusted.find(address)) break
      end = comma
    }
    return client === peer.address ? peer : describe(client, formatAddress(client))
  }
}
