import { type Kysely, sql } from 'kysely'
import type { ColumnTypes } from './column-types.ts'

type Column = 'text' | 'text?' | 'integer' | 'integer?' | 'bytes' | 'id'
type Table = {
  readonly columns: Readonly<Record<string, Column>>
  readonly key?: readonly string[]
  readonly unique?: readonly string[]
}

const tables: Readonly<Record<string, Table>> = {
  repositories: { columns: { id: 'id', name: 'text', created_at_ms: 'integer' }, unique: ['name'] },
  blobs: { columns: { digest: 'text', size_bytes: 'integer', created_at_ms: 'integer' }, key: ['digest'] },
  repository_blobs: {
    columns: { repository_id: 'integer', digest: 'text', created_at_ms: 'integer' },
    key: ['repository_id', 'digest'],
  },
  manifests: {
    columns: {
      digest: 'text',
      media_type: 'text',
      size_bytes: 'integer',
      artifact_type: 'text?',
      subject: 'text?',
      annotations: 'text?',
      is_sparse: 'integer',
      created_at_ms: 'integer',
    },
    key: ['digest'],
  },
  manifest_references: {
    columns: {
      manifest: 'text',
      position: 'integer',
      role: 'text',
      digest: 'text',
      media_type: 'text',
      size_bytes: 'integer',
      is_foreign: 'integer',
    },
    key: ['manifest', 'position'],
  },
  channel_manifests: {
    columns: {
      repository_id: 'integer',
      channel: 'text',
      digest: 'text',
      added_version: 'integer',
      added_at_ms: 'integer',
    },
    key: ['repository_id', 'channel', 'digest'],
  },
  tags: {
    columns: {
      repository_id: 'integer',
      channel: 'text',
      tag: 'text',
      digest: 'text',
      version: 'integer',
      updated_at_ms: 'integer',
    },
    key: ['repository_id', 'channel', 'tag'],
  },
  channel_versions: {
    columns: { repository_id: 'integer', channel: 'text', version: 'integer', published_version: 'integer' },
    key: ['repository_id', 'channel'],
  },
  tag_log: {
    columns: {
      id: 'id',
      repository_id: 'integer',
      channel: 'text',
      version: 'integer',
      key: 'text',
      digest: 'text?',
      previous: 'text?',
      act: 'text',
      at_ms: 'integer',
    },
    unique: ['repository_id', 'channel', 'version', 'key'],
  },
  acts: {
    columns: { id: 'text', kind: 'text', actor: 'text', reason: 'text?', source: 'text?', at_ms: 'integer' },
    key: ['id'],
  },
  events: {
    columns: { id: 'text', sequence: 'integer?', type: 'text', subject: 'text', data: 'text', at_ms: 'integer' },
    key: ['id'],
    unique: ['sequence'],
  },
  jobs: {
    columns: {
      id: 'text',
      kind: 'text',
      dedupe_key: 'text?',
      exclusive_key: 'text?',
      payload: 'text',
      state: 'text',
      attempts: 'integer',
      max_attempts: 'integer',
      run_at_ms: 'integer',
      lease_until_ms: 'integer',
      lease_owner: 'text?',
      progress: 'text?',
      result: 'text?',
      error: 'text?',
      is_cancel_requested: 'integer',
      created_at_ms: 'integer',
      finished_at_ms: 'integer?',
    },
    key: ['id'],
  },
  tokens: {
    columns: {
      id: 'text',
      name: 'text',
      secret_hash: 'bytes',
      grants: 'text',
      created_by: 'text',
      created_at_ms: 'integer',
      expires_at_ms: 'integer?',
      revoked_at_ms: 'integer?',
    },
    key: ['id'],
    unique: ['name'],
  },
  generations: {
    columns: {
      channel: 'text',
      number: 'integer',
      state: 'text',
      created_at_ms: 'integer',
      published_at_ms: 'integer?',
      actor: 'text',
      reason: 'text?',
      summary: 'text',
    },
    key: ['channel', 'number'],
  },
  generation_repositories: {
    columns: { channel: 'text', number: 'integer', repository_id: 'integer', version: 'integer' },
    key: ['channel', 'repository_id', 'number'],
  },
  tree_blobs: {
    columns: { channel: 'text', digest: 'text', size_bytes: 'integer', generation: 'integer' },
    key: ['channel', 'digest'],
  },
  sites: {
    columns: {
      id: 'id',
      name: 'text',
      organisation_url: 'text?',
      is_private: 'integer',
      contact: 'text?',
      created_at_ms: 'integer',
    },
    unique: ['name'],
  },
  hosts: {
    columns: {
      id: 'id',
      site_id: 'integer',
      name: 'text',
      country: 'text?',
      bandwidth_mbps: 'integer',
      grade: 'text',
      is_private: 'integer',
      is_admin_active: 'integer',
      is_user_active: 'integer',
      disable_reason: 'text?',
      asn: 'integer?',
      is_asn_clients: 'integer',
      ticket: 'text',
      contact: 'text?',
      created_at_ms: 'integer',
      updated_at_ms: 'integer',
    },
    unique: ['name'],
  },
  host_urls: {
    columns: { host_id: 'integer', category: 'text', position: 'integer', url: 'text' },
    key: ['host_id', 'category', 'position'],
    unique: ['url'],
  },
  host_netblocks: { columns: { host_id: 'integer', netblock: 'text' }, key: ['host_id', 'netblock'] },
  host_peer_asns: { columns: { host_id: 'integer', asn: 'integer' }, key: ['host_id', 'asn'] },
  host_countries: { columns: { host_id: 'integer', country: 'text' }, key: ['host_id', 'country'] },
  host_presence: {
    columns: {
      host_id: 'integer',
      channel: 'text',
      generation: 'integer',
      missing: 'text',
      extra: 'text',
      checked_at_ms: 'integer',
    },
    key: ['host_id', 'channel'],
  },
  crawls: {
    columns: {
      id: 'text',
      host_id: 'integer',
      channel: 'text',
      started_at_ms: 'integer',
      finished_at_ms: 'integer',
      outcome: 'text',
      detail: 'text',
    },
    key: ['id'],
  },
  check_ins: {
    columns: { host_id: 'integer', channel: 'text', generation: 'integer', at_ms: 'integer', detail: 'text' },
    key: ['host_id', 'channel', 'at_ms'],
  },
  idempotency_keys: {
    columns: { key: 'text', request_digest: 'text', response: 'text', at_ms: 'integer' },
    key: ['key'],
  },
}

const indexes: readonly (readonly [table: string, ...columns: string[]])[] = [
  ['repository_blobs', 'digest'],
  ['manifests', 'subject'],
  ['manifest_references', 'digest'],
  ['channel_manifests', 'digest'],
  ['tags', 'repository_id', 'channel', 'digest'],
  ['tag_log', 'repository_id', 'channel', 'key', 'version'],
  ['jobs', 'state', 'run_at_ms'],
  ['crawls', 'host_id', 'finished_at_ms'],
  ['tree_blobs', 'channel', 'generation'],
]

export async function up(db: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  for (const [name, table] of Object.entries(tables)) {
    let create = db.schema.createTable(name)
    for (const [column, kind] of Object.entries(table.columns)) {
      if (kind === 'id') create = create.addColumn(column, types.id as never)
      else {
        const type = types[kind.replace('?', '') as 'text' | 'integer' | 'bytes']
        create = create.addColumn(column, type as never, (built) => (kind.endsWith('?') ? built : built.notNull()))
      }
    }
    if (table.key) create = create.addPrimaryKeyConstraint(`${name}_key`, table.key as never)
    if (table.unique) create = create.addUniqueConstraint(`${name}_unique`, table.unique as never)
    await create.execute()
  }
  for (const [table, ...columns] of indexes) {
    await db.schema
      .createIndex(`${table}_by_${columns.join('_')}`)
      .on(table)
      .columns(columns)
      .execute()
  }
  await sql`create unique index jobs_waiting on jobs (kind, dedupe_key) where state = 'waiting'`.execute(db)
  await sql`create unique index jobs_running on jobs (kind, exclusive_key) where state = 'running'`.execute(db)
  // What is not published yet is found without a look at all that is.
  await sql`create index channel_versions_unpublished on channel_versions (channel, repository_id) where version > published_version`.execute(
    db,
  )
  await sql`create index events_unsequenced on events (at_ms) where sequence is null`.execute(db)
}
