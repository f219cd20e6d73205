// A host as an operator would enter it, for tests that care about something else of it.

import type { HostFacts } from '#catalogue/hosts.ts'

export function hostFacts(name: string, more: Partial<HostFacts> = {}): HostFacts {
  return {
    name,
    country: undefined,
    bandwidthMbps: 100,
    grade: 'proven',
    isPrivate: false,
    isAdminActive: true,
    isUserActive: true,
    disableReason: undefined,
    asn: undefined,
    isAsnClients: true,
    peerAsns: [],
    netblocks: [],
    allowedCountries: [],
    categories: [],
    ticket: 'query',
    contact: undefined,
    ...more,
  }
}
