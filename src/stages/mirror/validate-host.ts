// What a host's admin may declare. Everything wrong is told at once, in words to act on; what passes is in canonical form.

import { type GuardOptions, guardUrl } from '#http/outbound/guard-url.ts'
import { OutboundError } from '#http/outbound/outbound-error.ts'
import { formatCidr, networkOf, parseAddress, parseCidr } from '#kit/address.ts'
import { scopeOf } from '#kit/address-scope.ts'
import { RegistryError } from '#oci/errors.ts'
import { isHostName } from '#snapshots/tree-path.ts'
import type { HostCategory, HostRecord } from './host-records.ts'
import { ownNameAbove } from './own-names.ts'

/** A host as it is handed in: ids, the site and the switches are somebody else's. */
export type HostDeclaration = Omit<HostRecord, 'id' | 'site' | 'isAdminActive' | 'isUserActive' | 'disableReason'>

export type HostPolicy = GuardOptions & {
  /** The operator may set grades, peer ASNs and netblocks of any size. */
  readonly isOperator: boolean
  readonly channels: readonly string[]
  /** Names under which front doors and registries answer. Go's clients hand credentials on to names below these. */
  readonly ownNames: readonly string[]
}

/** The largest networks that a host's admin may claim: MirrorManager's limits. */
const shortestPrefix = { 4: 16, 6: 32 } as const
const mostNetblocks = 1000
const mostUrls = 4
const widestMbps = 400_000
const largestAsn = 4_294_967_294

type Complain = (problem: string) => void

/** Throws RegistryError('REQUEST_INVALID') with every problem. */
export function validateHost(host: HostDeclaration, policy: HostPolicy): HostDeclaration {
  const problems: string[] = []
  const complain: Complain = (problem) => void problems.push(problem)
  if (!isHostName(host.name))
    complain(`name: ${quote(host.name)} is no host name (lower-case letters, digits, - and .)`)
  if (!Number.isInteger(host.bandwidthMbps) || host.bandwidthMbps < 1 || host.bandwidthMbps > widestMbps) {
    complain(`bandwidthMbps: ${host.bandwidthMbps} is not a whole number from 1 to ${widestMbps}`)
  }
  if (!policy.isOperator && host.grade !== 'probation') complain(`grade: ${host.grade} is given by the operator`)
  if (!policy.isOperator && host.peerAsns.length > 0) complain('peerAsns: they are set by the operator')
  if (host.contact !== undefined && !/^[^\p{Cc}]{1,320}$/u.test(host.contact))
    complain('contact: at most 320 characters, on one line')
  const valid: HostDeclaration = {
    ...host,
    country: host.country === undefined ? undefined : validCountry(host.country, 'country', complain),
    ...validPosition(host, complain),
    asn: host.asn === undefined ? undefined : validAsn(host.asn, 'asn', complain),
    peerAsns: distinct(host.peerAsns.map((asn) => validAsn(asn, 'peerAsns', complain))),
    netblocks: validNetblocks(host.netblocks, policy, complain),
    allowedCountries: distinct(host.allowedCountries.map((one) => validCountry(one, 'allowedCountries', complain))),
    categories: validCategories(host.categories, policy, complain),
  }
  if (problems.length > 0) throw new RegistryError('REQUEST_INVALID', problems.join('; '))
  return valid
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100))
}

function distinct<T>(items: readonly T[]): readonly T[] {
  return [...new Set(items)]
}

function validCountry(text: string, field: string, complain: Complain): string {
  const country = text.toUpperCase()
  // Written so often that it gets its own sentence.
  if (country === 'UK') complain(`${field}: the United Kingdom is GB`)
  else if (!/^[A-Z]{2}$/.test(country)) complain(`${field}: ${quote(text)} is no ISO 3166-1 alpha-2 code`)
  return country
}

type Coordinates = Pick<HostDeclaration, 'latitude' | 'longitude'>

/** To four decimals, which is 11 m: more would not make it nearer to anybody. */
function validPosition({ latitude, longitude }: Coordinates, complain: Complain): Coordinates {
  if (latitude === undefined && longitude === undefined) return {}
  if (latitude === undefined || longitude === undefined)
    complain('latitude, longitude: one says nothing without the other; give both or none')
  return {
    latitude: validDegrees(latitude, 'latitude', 90, complain),
    longitude: validDegrees(longitude, 'longitude', 180, complain),
  }
}

function validDegrees(degrees: number | undefined, field: string, most: number, complain: Complain) {
  if (degrees === undefined) return undefined
  if (!(Math.abs(degrees) <= most)) complain(`${field}: ${degrees} is not from -${most} to ${most} degrees`)
  return Math.round(degrees * 1e4) / 1e4
}

function validAsn(asn: number, field: string, complain: Complain): number {
  if (!Number.isInteger(asn) || asn < 1 || asn > largestAsn) complain(`${field}: ${asn} is no AS number`)
  return asn
}

function validNetblocks(texts: readonly string[], policy: HostPolicy, complain: Complain): readonly string[] {
  if (texts.length > mostNetblocks) {
    complain(`netblocks: ${texts.length} are more than ${mostNetblocks}; larger ones say the same with fewer`)
    return []
  }
  return distinct(texts.map((text) => validNetblock(text.trim(), policy, complain)))
}

function validNetblock(text: string, policy: HostPolicy, complain: Complain): string {
  const cidr = parseCidr(text)
  if (!cidr) {
    complain(`netblocks: ${quote(text)} is no netblock${suggestionFor(text)}`)
    return text
  }
  const { family } = cidr.address
  if (!policy.isOperator && cidr.length < shortestPrefix[family]) {
    complain(
      `netblocks: ${text} is larger than /${shortestPrefix[family]}, the largest IPv${family} one without the operator`,
    )
  } else if (!policy.isOperator && !policy.allowPrivate && scopeOf(cidr.address) !== 'global') {
    complain(`netblocks: ${text} is a ${scopeOf(cidr.address)} range, which nobody owns alone`)
  }
  return formatCidr(cidr)
}

function suggestionFor(text: string): string {
  const [before = '', length = ''] = text.split('/')
  const address = parseAddress(before)
  const bits = Number(length)
  const isLength = address && /^[0-9]{1,3}$/.test(length) && bits <= (address.family === 4 ? 32 : 128)
  return isLength ? `: did you mean ${formatCidr(networkOf(address, bits))}?` : ' such as 192.0.2.0/24 or 2001:db8::/48'
}

function validCategories(
  categories: readonly HostCategory[],
  policy: HostPolicy,
  complain: Complain,
): readonly HostCategory[] {
  const seen = new Set<string>()
  return categories.map(({ category, urls }) => {
    if (!policy.channels.includes(category)) {
      complain(`categories: ${quote(category)} is no public channel (${policy.channels.join(', ')})`)
    }
    if (seen.has(category)) complain(`categories: ${category} is there twice`)
    seen.add(category)
    if (urls.length === 0) complain(`categories: ${category} has no URL`)
    if (urls.length > mostUrls) complain(`categories: ${category} has more than ${mostUrls} URLs`)
    return { category, urls: distinct(urls.slice(0, mostUrls).map((url) => validUrl(url, policy, complain))) }
  })
}

function validUrl(text: string, policy: HostPolicy, complain: Complain): string {
  try {
    const url = guardUrl(text, policy)
    if (url.search !== '' || url.hash !== '') complain(`urls: ${quote(text)} must end with its path`)
    const own = ownNameAbove(url.hostname, policy.ownNames)
    if (own !== undefined) {
      complain(
        `urls: ${url.hostname} lies under ${own}: clients take it for the registry itself and would hand it the registry's credentials, on any port; use another name`,
      )
    }
    return url.href.replace(/\/+$/, '')
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error
    // What the operator could let through, on a network of his own.
    const isPrivate = !policy.allowPrivate && passes(text, { allowPrivate: true })
    complain(
      `urls: ${error.message}${isPrivate ? '; FLOTILLA_ALLOW_PRIVATE_HOSTS=1 lets it, for closed networks' : ''}`,
    )
    return text
  }
}

function passes(text: string, options: GuardOptions): boolean {
  try {
    guardUrl(text, options)
    return true
  } catch {
    return false
  }
}
