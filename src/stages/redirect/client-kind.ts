// How a client behaves when a host fails it, and how it is served for that, by its User-Agent. The table was measured: twelve versions of
// clients, 21 faults each.
import { ownText } from '#kit/own-text.ts'
import type { ClientKind } from '#selection/client.ts'

/**
 * redirect: sent to a host, or to the origin when none is proven. stream: its bytes come through here, from hosts in turn.
 * origin: never to a host.
 */
export type ClientMode = 'redirect' | 'stream' | 'origin'

export type ClientClass = { readonly kind: ClientKind; readonly mode: ClientMode }

/** The first rule that fits decides. */
export type ClientRule = {
  /** A product of the User-Agent, `name/version` or the name alone; `*`: any client, also one without a name. */
  readonly product: string
  /** From this version on, and below that one; both `major.minor`. */
  readonly from?: string
  readonly below?: string
  /** Fits only when the User-Agent does not speak of this. */
  readonly without?: string
  readonly kind: ClientKind
  /** Default: redirect. */
  readonly mode?: ClientMode
}

const unlisted: ClientClass = { kind: 'normal', mode: 'redirect' }

export const defaultClientRules: readonly ClientRule[] = [
  // They repeat the address of the host, never ours, and resume nothing.
  { product: 'go-containerregistry', kind: 'fragile' },
  { product: 'oras', kind: 'fragile' },
  // Whatever breaks before the first byte is the end of the pull.
  { product: 'skopeo', below: '1.12', kind: 'fragile' },
  { product: 'containers', below: '5.25', kind: 'fragile' },
  { product: 'Buildah', below: '1.29', kind: 'fragile' },
  { product: 'containerd', below: '2.0', kind: 'fragile' },
  // docker with the containerd store behaves as containerd 2 does; the classic store asks five times, each twice.
  { product: 'docker', without: 'containerd-client', kind: 'forgiving' },
  // podman 5: resumes, and pulls the whole image again up to three times.
  { product: 'containers', from: '5.30', kind: 'forgiving' },
]

const kinds: readonly unknown[] = ['fragile', 'normal', 'forgiving'] satisfies ClientKind[]
const modes: readonly unknown[] = ['redirect', 'stream', 'origin'] satisfies ClientMode[]
const versionPattern = /^\d{1,6}(\.\d{1,6})?$/
const fields: Readonly<Record<string, (value: unknown) => boolean>> = {
  product: (value) => typeof value === 'string' && /^[^\s/]+$/.test(value),
  kind: (value) => kinds.includes(value),
  mode: (value) => modes.includes(value),
  from: (value) => typeof value === 'string' && versionPattern.test(value),
  below: (value) => typeof value === 'string' && versionPattern.test(value),
  without: (value) => typeof value === 'string' && value !== '',
}

/** A table of the operator's, as JSON. Throws an Error that says which rule is none. */
export function parseClientRules(text: string): readonly ClientRule[] {
  const rules: unknown = JSON.parse(text)
  if (!Array.isArray(rules)) throw new Error('it is no list of rules')
  for (const [i, rule] of rules.entries()) {
    const given: Readonly<Record<string, unknown>> = typeof rule === 'object' && rule !== null ? rule : {}
    const isWhole = ['product', 'kind'].every((name) => Object.hasOwn(given, name))
    if (
      !isWhole ||
      !Object.entries(given).every(([name, value]) => Object.hasOwn(fields, name) && fields[name]!(value))
    )
      throw new Error(
        `rule ${i + 1} is not {"product": "name", "kind": "fragile" | "normal" | "forgiving", "mode"?: "redirect" | "stream" | "origin", "from"?: "1.2", "below"?: "1.2", "without"?: "text"}`,
      )
    if (given.product === '*' && (given.from !== undefined || given.below !== undefined))
      throw new Error(`rule ${i + 1}: "*" is any client, so it has no versions: leave "from" and "below" out`)
  }
  return rules
}

function isBelow(version: string, bound: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10) || 0)
  const [boundMajor = 0, boundMinor = 0] = bound.split('.').map(Number)
  return major < boundMajor || (major === boundMajor && minor < boundMinor)
}

/** The version behind `product/`, '' without one; undefined when the product is not there as a word of its own. */
function versionOf(userAgent: string, product: string): string | undefined {
  for (let at = userAgent.indexOf(product); at >= 0; at = userAgent.indexOf(product, at + 1)) {
    const before = userAgent[at - 1]
    const end = at + product.length
    if (before !== undefined && before !== ' ' && before !== '(') continue
    const after = userAgent[end]
    if (after === '/') return /^v?([^ ;)]*)/.exec(userAgent.slice(end + 1))![1]
    if (after === undefined || after === ' ') return ''
  }
  return undefined
}

function fits(rule: ClientRule, userAgent: string): boolean {
  if (rule.without !== undefined && userAgent.includes(rule.without)) return false
  if (rule.product === '*') return true
  const version = versionOf(userAgent, rule.product)
  if (version === undefined) return false
  if (rule.from !== undefined && isBelow(version, rule.from)) return false
  return rule.below === undefined || isBelow(version, rule.below)
}

export function clientClassOf(rules: readonly ClientRule[], userAgent: string | undefined): ClientClass {
  const rule = rules.find((one) => fits(one, userAgent ?? ''))
  return rule ? { kind: rule.kind, mode: rule.mode ?? 'redirect' } : unlisted
}

/** With a memory, since few agents make most requests, one after the other; an agent longer than any real one is not remembered. */
export function clientClassReader(rules: readonly ClientRule[]): (userAgent: string | undefined) => ClientClass {
  const known = new Map<string, { readonly agent: string; readonly fits: ClientClass }>()
  const nameless = clientClassOf(rules, undefined)
  let last = { agent: '', fits: nameless }
  return (userAgent) => {
    if (userAgent === undefined) return nameless
    if (userAgent === last.agent) return last.fits
    const found = known.get(userAgent)
    if (found) {
      last = found
      return found.fits
    }
    const fits = clientClassOf(rules, userAgent.slice(0, 512))
    if (userAgent.length > 512) return fits
    if (known.size >= 1000) known.clear()
    last = { agent: ownText(userAgent), fits }
    known.set(last.agent, last)
    return fits
  }
}
