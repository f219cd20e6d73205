// A name to the addresses a connection may go to, each checked by the guard.

import { lookup } from 'node:dns/promises'
import { type Address, formatAddress, parseAddress } from '#kit/address.ts'
import { type GuardOptions, literalAddress, refusalOf } from './guard-url.ts'
import { OutboundError } from './outbound-error.ts'

/** Addresses of a name as text, preferred first; rejects when there is none. */
export type Resolve = (name: string) => Promise<readonly string[]>

export const resolveBySystem: Resolve = async (name) => {
  const found = await lookup(name, { all: true, verbatim: true })
  return found.map(({ address }) => address)
}

const most = 8

export type ResolveOptions = GuardOptions & { readonly resolve: Resolve; readonly timeoutMs: number }

/** One address that is not allowed refuses the name whole: a mix of public and private ones is an attack, not a habit. */
export async function resolveGuarded(url: URL, family: 4 | 6 | undefined, options: ResolveOptions): Promise<Address[]> {
  const literal = literalAddress(url)
  const addresses = literal ? [literal] : await resolveName(url.hostname, options)
  for (const address of addresses) {
    const reason = refusalOf(address, options)
    if (reason) throw new OutboundError('guard', `${url.origin} is refused: ${reason}`)
  }
  const usable = addresses.filter((address) => family === undefined || address.family === family)
  if (usable.length === 0) throw new OutboundError('name', `${url.hostname} has no IPv${family} address`)
  return usable.slice(0, most)
}

async function resolveName(name: string, { resolve, timeoutMs }: ResolveOptions): Promise<Address[]> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const error = new OutboundError('timeout', `${name} did not resolve within ${timeoutMs} ms`)
    timer = setTimeout(() => reject(error), timeoutMs)
  })
  try {
    const texts = await Promise.race([resolve(name), late])
    const addresses = texts.map((text) => parseAddress(text)).filter((address) => address !== undefined)
    if (addresses.length === 0) throw new OutboundError('name', `${name} has no address`)
    const seen = new Map(addresses.map((address) => [formatAddress(address), address]))
    return [...seen.values()]
  } catch (error) {
    if (error instanceof OutboundError) throw error
    throw new OutboundError('name', `${name} does not resolve: ${(error as Error).message}`, error)
  } finally {
    clearTimeout(timer)
  }
}
