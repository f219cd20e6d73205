import { type Answer, refuse } from '#http/answer.ts'
import type { RegistryPath } from './registry-path.ts'

/** As `Allow` tells them. */
const allowedMethods = {
  ping: 'GET, HEAD',
  catalog: 'GET, HEAD',
  token: 'GET, POST',
  tags: 'GET, HEAD',
  referrers: 'GET, HEAD',
  manifest: 'GET, HEAD, PUT, DELETE',
  blob: 'GET, HEAD, DELETE',
  uploads: 'POST',
  upload: 'GET, HEAD, PATCH, PUT, DELETE',
} as const satisfies Record<RegistryPath['kind'], string>

export function isAllowed(kind: RegistryPath['kind'], method: string): boolean {
  return allowedMethods[kind].split(', ').includes(method)
}

export function refuseMethod(kind: RegistryPath['kind']): Answer {
  const allow = allowedMethods[kind]
  return refuse('UNSUPPORTED', `this endpoint knows ${allow}`, { headers: { allow } })
}
