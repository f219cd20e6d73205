// The tables as Kysely sees them. Rules that keep one set of queries true on SQLite and PostgreSQL: columns are text, integers below
// 2^53 (milliseconds, bytes, 0 or 1) and bytes; JSON is text; names are collated "C".

import type { Generated, Kysely, Transaction } from 'kysely'

export type Bit = 0 | 1

type StatisticsKey = {
  channel: string
  kind: string
  start_ms: number
  span: 'hour' | 'day' | 'month'
  /** A name, or one in brackets for what has none. */
  subject: string
}

type StatisticsNumbers = {
  redirects: number
  redirected_bytes: number
  manifests: number
  manifest_bytes: number
  packed: number
  packed_bytes: number
  origin: number
  origin_bytes: number
  streams: number
  streamed_bytes: number
  told: number
  refused: number
  held: number
}

export type Schema = {
  repositories: { id: Generated<number>; name: string; created_at_ms: number }
  blobs: { digest: string; size_bytes: number; created_at_ms: number }
  /** Keyed checksums of some blocks, and which key they were made with: those of another are as good as none. */
  block_checks: { digest: string; key_id: string; checks: Uint8Array }
  /** Membership: a blob is read through a repository that holds it, never by digest alone. */
  repository_blobs: { repository_id: number; digest: string; created_at_ms: number }
  manifests: {
    digest: string
    media_type: string
    size_bytes: number
    artifact_type: string | null
    subject: string | null
    annotations: string | null
    is_sparse: Bit
    created_at_ms: number
  }
  manifest_references: {
    manifest: string
    position: number
    role: 'config' | 'layer' | 'child'
    digest: string
    media_type: string
    size_bytes: number
    is_foreign: Bit
  }
  /** Which manifests a channel of a repository holds, tagged or not. */
  channel_manifests: {
    repository_id: number
    channel: string
    digest: string
    added_version: number
    added_at_ms: number
  }
  tags: { repository_id: number; channel: string; tag: string; digest: string; version: number; updated_at_ms: number }
  /** Where the log of a (repository, channel) stands, and up to where generations took it in. A version is a position in that log. */
  channel_versions: { repository_id: number; channel: string; version: number; published_version: number }
  tag_log: {
    id: Generated<number>
    repository_id: number
    channel: string
    version: number
    /** A tag, or `@<digest>` for a manifest that came or went. */
    key: string
    /** Null: it went. */
    digest: string | null
    previous: string | null
    act: string
    at_ms: number
  }
  /** Who did what, when and why: one row for every push, promotion, rollback and delete. */
  acts: {
    id: string
    kind: 'push' | 'delete' | 'promote' | 'rollback'
    actor: string
    reason: string | null
    source: string | null
    at_ms: number
  }
  events: { id: string; sequence: number | null; type: string; subject: string; data: string; at_ms: number }
  jobs: {
    id: string
    kind: string
    /** Two waiting jobs of one kind never share it: the second request joins the first. */
    dedupe_key: string | null
    /** Two jobs of one kind that share it never run at the same time. */
    exclusive_key: string | null
    payload: string
    state: 'waiting' | 'running' | 'done' | 'failed' | 'canceled'
    attempts: number
    max_attempts: number
    run_at_ms: number
    lease_until_ms: number
    lease_owner: string | null
    progress: string | null
    result: string | null
    error: string | null
    is_cancel_requested: Bit
    created_at_ms: number
    finished_at_ms: number | null
  }
  tokens: {
    id: string
    name: string
    secret_hash: Uint8Array
    grants: string
    created_by: string
    created_at_ms: number
    expires_at_ms: number | null
    revoked_at_ms: number | null
  }
  generations: {
    channel: string
    number: number
    state: 'rendering' | 'published'
    created_at_ms: number
    published_at_ms: number | null
    actor: string
    reason: string | null
    /** JSON: counts and sizes for people, and the files that the signed targets name. */
    summary: string
  }
  /** The version of each repository that changed in a generation; the state at N is the latest row not after N. */
  generation_repositories: { channel: string; number: number; repository_id: number; version: number }
  /** Every blob that a channel's tree carries, and the generation that brought it. */
  tree_blobs: { channel: string; digest: string; size_bytes: number; generation: number }
  /** Pulls of a blob on a day (UTC, counted from 1970), as front doors counted them. */
  pulls: { channel: string; digest: string; day: number; count: number }
  /** What front doors answered; every answer is in one row of each kind of subject, of the span that is kept for its time. */
  statistics: StatisticsKey & StatisticsNumbers
  /** The last report that was taken of each run of a front door. */
  report_sources: { source: string; sequence: number; at_ms: number }
  sites: {
    id: Generated<number>
    name: string
    organisation_url: string | null
    is_private: Bit
    contact: string | null
    created_at_ms: number
  }
  hosts: {
    id: Generated<number>
    site_id: number
    name: string
    country: string | null
    bandwidth_mbps: number
    grade: 'gold' | 'proven' | 'probation'
    is_private: Bit
    is_admin_active: Bit
    is_user_active: Bit
    disable_reason: string | null
    asn: number | null
    is_asn_clients: Bit
    ticket: 'query' | 'none'
    contact: string | null
    latitude_microdegrees: number | null
    longitude_microdegrees: number | null
    created_at_ms: number
    updated_at_ms: number
  }
  /** A host carries a category (a channel's tree) below one or several addresses. */
  host_urls: { host_id: number; category: string; position: number; url: string }
  host_netblocks: { host_id: number; netblock: string }
  host_peer_asns: { host_id: number; asn: number }
  host_countries: { host_id: number; country: string }
  host_presence: {
    host_id: number
    channel: string
    generation: number
    missing: string
    extra: string
    checked_at_ms: number
  }
  crawls: {
    id: string
    host_id: number
    channel: string
    started_at_ms: number
    finished_at_ms: number
    outcome: string
    detail: string
  }
  /** What hosts say that they have, and what crawls found of it. */
  check_ins: {
    host_id: number
    channel: string
    /** No two of a host and channel share it. */
    at_ms: number
    generation: number
    source: 'api' | 'trace'
    /** The host carries a part of the tree only. */
    is_partial: Bit
    /** When the copy was complete, as the host's trace says: what is not later is a replay. */
    finished_at_ms: number | null
    state: 'claimed' | 'accepted' | 'refused'
    /** Up to where the copy was whole when it was decided. */
    proven_generation: number | null
    reason: string | null
    /** JSON: the first faults that the crawl found. */
    evidence: string | null
    decided_at_ms: number | null
    /** JSON: what else the host said. */
    detail: string
  }
  idempotency_keys: { key: string; request_digest: string; response: string; at_ms: number }
}

/** Opens transactions; code inside one receives only its Tx. */
export type Catalogue = Kysely<Schema>
export type Tx = Transaction<Schema>
/** What a reading query needs: either of them. */
export type Reader = Catalogue | Tx
