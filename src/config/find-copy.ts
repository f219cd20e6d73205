// Whether a server serves a copied tree instead of what an installation publishes itself.

import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { ConfigError, type Settings } from './load-config.ts'

/** They need no catalogue. */
const rolesOfCopy: readonly string[] = ['frontdoor', 'origin']

/** The folder of the copy; undefined: there is none. A replicated tree that is given as the blob store is one too, for these roles:
 *  its layout is the same, and no store of an installation has metadata in it. Throws ConfigError. */
export function findCopy(
  { copy, blobs, tree, demo }: Pick<Settings, 'copy' | 'blobs' | 'tree' | 'demo'>,
  roles: readonly string[],
): string | undefined {
  const others = roles.filter((role) => !rolesOfCopy.includes(role))
  if (copy !== undefined) {
    if (others.length > 0)
      throw new ConfigError(
        `copy: ${others.join(', ')} cannot run over a copy, which is only read: flotilla serve frontdoor --copy ${copy}`,
      )
    if (demo) throw new ConfigError('copy: there is no demonstration over a copy: leave one of the two out')
    return resolve(copy)
  }
  if (others.length > 0 || blobs === undefined || tree !== undefined) return undefined
  return existsSync(join(blobs, 'metadata', 'timestamp.json')) ? resolve(blobs) : undefined
}
