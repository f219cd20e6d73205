// Secrets of robots and the admin. They carry 256 random bits, so one SHA-256 is the right hash: there is nothing to guess.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** `flt_<64 hex digits>`: a prefix that secret scanners can look for. */
export function makeSecret(): string {
  return `flt_${randomBytes(32).toString('hex')}`
}

export function hashSecret(secret: string): Uint8Array {
  return createHash('sha256').update(secret).digest()
}

export type NamedSecret = { readonly name: string; readonly secret: string }

/** `name@flt_…`, as programs show a robot's token. Undefined: it names no robot, as the admin token does not. */
export function parseNamedSecret(text: string): NamedSecret | undefined {
  const at = text.indexOf('@')
  return at <= 0 || at === text.length - 1 ? undefined : { name: text.slice(0, at), secret: text.slice(at + 1) }
}

/** Takes the same time wherever the two differ. */
export function matchesSecret(secret: string, hash: Uint8Array): boolean {
  return hash.length === 32 && timingSafeEqual(hashSecret(secret), hash)
}
