// The flow of the house as data: every stage, what it takes, what it leaves behind, and the roles that run it.
// architecture.test.ts holds the folders of src/stages and src/roles to this table.

export const roles = ['registry', 'manager', 'worker', 'mirror', 'frontdoor', 'origin'] as const
export type RoleName = (typeof roles)[number]

export type Stage = {
  readonly takes: string
  readonly leaves: string
  readonly roles: readonly (RoleName | 'volunteer')[]
}

export const stages = {
  push: {
    takes: "a client's uploads and deletes",
    leaves: "blobs, manifests, tags and referrers in a repository's candidate channel",
    roles: ['registry'],
  },
  candidate: { takes: 'a push', leaves: "the candidate's facts", roles: ['manager'] },
  promote: {
    takes: 'digests, a target channel, tags',
    leaves: 'a new immutable version of each target repository, all or nothing',
    roles: ['manager'],
  },
  publish: {
    takes: "a public channel's versions",
    leaves: 'generation N: blobs, list delta, catalogue pack and, last, the signed metadata',
    roles: ['worker'],
  },
  replicate: { takes: 'generation N over https', leaves: "a host's copy and its trace", roles: ['volunteer'] },
  mirror: {
    takes: 'generations, sites, hosts, check-ins, crawls, what clients did',
    leaves: 'the placement and health snapshots',
    roles: ['mirror', 'worker'],
  },
  redirect: {
    takes: 'a request and three snapshots',
    leaves: "manifest bytes, a small blob's bytes, or a 307 to a host or to the origin",
    roles: ['frontdoor'],
  },
  pull: {
    takes: 'a request from a replica or a fallback',
    leaves: 'bytes of the published tree, or a 307 to a host that has them',
    roles: ['origin'],
  },
} as const satisfies Record<string, Stage>
