// How a client behaves when a host fails it, by its User-Agent. The table was measured: twelve versions of clients, 21 faults each.
import type { ClientKind } from '#selection/client.ts'

/** The first rule that fits decides. */
export type ClientRule = {
  /** A product of the User-Agent, `name/version` or the name alone. */
  readonly product: string
  /** From this version on, and below that one; both `major.minor`. */
  readonly from?: string
  readonly below?: string
  /** Fits only when the User-Agent does not speak of this. */
  readonly without?: string
  readonly kind: ClientKind
}

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
const versionPattern = /^\d{1,6}(\.\d{1,6})?$/
const fields: Readonly<Record<string, (value: unknown) => boolean>> = {
  product: (value) => typeof value === 'string' && /^[^\s/]+$/.test(value),
  kind: (value) => kinds.includes(value),
  from: (value) => typeof value === 'string' && versionPattern.test(value),
  below: (value) => typeof value === 'string' && versionPattern.test(value),
  without: (value) => typeof value === 'string' && value !== '',
}

/** A table of the operator's, as JSON. Throws an Error that says which rule is none. */
export function parseClientRules(text: string): readonly ClientRule[] {
  const rules: unknown = JSON.parse(text)
  if (!Array.isArray(rules)) throw new Error('it is no list of rules')
  for (const [i, rule] of rules.entries()) {
    const given = Object.entries(typeof rule === 'object' && rule !== null ? rule : {})
    const isWhole = given.some(([name]) => name === 'product') && given.some(([name]) => name === 'kind')
    if (!isWhole || !given.every(([name, value]) => Object.hasOwn(fields, name) && fields[name]!(value)))
      throw new Error(
        `rule ${i + 1} is not {"product": "name", "kind": "fragile" | "normal" | "forgiving", "from"?: "1.2", "below"?: "1.2", "without"?: "text"}`,
      )
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
  const version = versionOf(userAgent, rule.product)
  if (version === undefined) return false
  if (rule.without !== undefined && userAgent.includes(rule.without)) return false
  if (rule.from !== undefined && isBelow(version, rule.from)) return false
  return rule.below === undefined || isBelow(version, rule.below)
}

export function clientKindOf(rules: readonly ClientRule[], userAgent: string | undefined): ClientKind {
  if (userAgent === undefined) return 'normal'
  return rules.find((rule) => fits(rule, userAgent))?.kind ?? 'normal'
}

/** With a memory, since few agents make most requests, one after the other; an agent longer than any real one is not remembered. */
export function clientKindReader(rules: readonly ClientRule[]): (userAgent: string | undefined) => ClientKind {
  const known = new Map<string, ClientKind>()
  let lastAgent = ''
  let lastKind: ClientKind = clientKindOf(rules, '')
  return (userAgent) => {
    if (userAgent === undefined) return 'normal'
    if (userAgent === lastAgent) return lastKind
    const kind = known.get(userAgent) ?? clientKindOf(rules, userAgent.slice(0, 512))
    if (userAgent.length > 512) return kind
    if (known.size >= 1000) known.clear()
    known.set(userAgent, kind)
    lastAgent = userAgent
    lastKind = kind
    return kind
  }
}
