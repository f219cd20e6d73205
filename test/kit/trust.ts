// A publisher's trust for tests: keys in a folder, lifetimes as a default start has them, the clock of this machine unless one is given.

import { openTrust, type Trust } from '#trust/open-trust.ts'

export const dayMs = 86_400_000
export const lifetimes = { timestampMs: 3 * dayMs, metadataMs: 90 * dayMs, rootMs: 730 * dayMs } as const

export function openTestTrust(keysFolder: string, now: () => number = Date.now): Promise<Trust> {
  return openTrust(keysFolder, { ...lifetimes, now })
}
