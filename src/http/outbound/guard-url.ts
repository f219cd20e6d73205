// The guard before every URL that people give us: what its text may be, and which addresses its name may lead to. Addresses are
// checked after resolving and the connection goes to the very address that was checked, so no second look-up can differ.

import { type Address, formatAddress, parseAddress } from '#kit/address.ts'
import { type AddressScope, scopeOf } from '#kit/address-scope.ts'
import { OutboundError } from './outbound-error.ts'

export type GuardOptions = {
  /** Lets loopback, private and carrier-shared addresses through, and any port. Never metadata, multicast or link-local ones. */
  readonly allowPrivate: boolean
}

export type Scheme = 'http:' | 'https:'

const privateScopes: ReadonlySet<AddressScope> = new Set(['loopback', 'private', 'shared'])
const longestUrl = 4096

/** Throws OutboundError('guard') with the reason. */
export function guardUrl(text: string, options: GuardOptions): URL {
  const refuse = (reason: string) => new OutboundError('guard', `${text.slice(0, 200)} is refused: ${reason}`)
  if (text.length > longestUrl) throw refuse(`a URL has at most ${longestUrl} characters`)
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url) throw refuse('it is no absolute URL')
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw refuse('only http and https are spoken')
  if (url.username !== '' || url.password !== '') throw refuse('a URL must not carry credentials')
  if (url.hostname === '') throw refuse('it names no machine')
  const port = portOf(url)
  if (!options.allowPrivate && port < 1024 && port !== 80 && port !== 443) {
    throw refuse(`port ${port} belongs to another service`)
  }
  const literal = literalAddress(url)
  const reason = literal && refusalOf(literal, options)
  if (reason) throw refuse(reason)
  return url
}

export function portOf(url: URL): number {
  return url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
}

/** The address that a URL names outright. The URL parser has already undone spellings such as 0x7f.1 and 2130706433. */
export function literalAddress(url: URL): Address | undefined {
  const { hostname } = url
  return parseAddress(hostname.startsWith('[') ? hostname.slice(1, -1) : hostname)
}

/** Why no connection may go to an address; undefined when one may. */
export function refusalOf(address: Address, options: GuardOptions): string | undefined {
  const scope = scopeOf(address)
  if (scope === 'global' || (options.allowPrivate && privateScopes.has(scope))) return undefined
  return `${formatAddress(address)} is a ${scope} address`
}
