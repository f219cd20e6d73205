// What a document to be signed says of itself. A signer believes nothing else, so that nobody can name one thing and have another signed.

import { canonicalize } from '@tufjs/canonical-json'
import { SignerRefused } from './signer-refused.ts'

export const trustRoles = ['root', 'timestamp', 'snapshot', 'targets'] as const
/** The four top-level roles of TUF 1.0. */
export type TrustRole = (typeof trustRoles)[number]

/** The roles whose keys are at work every day; root's may lie in a drawer. */
export const onlineRoles = ['timestamp', 'snapshot', 'targets'] as const satisfies readonly TrustRole[]

export type DocumentFacts = {
  readonly role: TrustRole
  readonly version: number
  /** The channel whose tree it describes; a root stands above all channels and has `root`. */
  readonly scope: string
  /** Of targets: the generation that they name. */
  readonly generation: number | undefined
}

const scopePattern = /^[a-z0-9][a-z0-9-]{0,62}$/

/** Takes the canonical JSON of a TUF `signed` part. Throws SignerRefused for anything else: readers verify over the canonical form of
 *  what they parsed, so other bytes, as with a key twice, may not say to them what they say here. */
export function readDocument(bytes: Uint8Array): DocumentFacts {
  const document = parseObject(bytes)
  const facts = factsOf(document)
  if (!isCanonical(document, bytes)) throw new SignerRefused('not canonical JSON')
  return facts
}

function factsOf(document: Record<string, unknown>): DocumentFacts {
  const role = trustRoles.find((one) => one === document._type)
  if (!role) throw new SignerRefused(`not a role: ${String(document._type)}`)
  const { version } = document
  if (!isCount(version) || version < 1) throw new SignerRefused(`not a version: ${String(version)}`)
  if (role === 'root') return { role, version, scope: 'root', generation: undefined }
  const about = (Object.hasOwn(document, 'flotilla') ? document.flotilla : undefined) as
    | { channel?: unknown; generation?: unknown }
    | null
    | undefined
  const scope = about?.channel
  if (typeof scope !== 'string' || !scopePattern.test(scope)) throw new SignerRefused(`${role} names no channel`)
  if (role !== 'targets') return { role, version, scope, generation: undefined }
  if (!isCount(about?.generation)) throw new SignerRefused('targets name no generation')
  return { role, version, scope, generation: about.generation }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isCanonical(document: unknown, bytes: Uint8Array): boolean {
  try {
    return Buffer.from(canonicalize(document)).equals(bytes)
  } catch {
    return false
  }
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {}
  throw new SignerRefused('not a JSON object')
}
