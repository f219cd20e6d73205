// Who may import whom and what a file may be called, as data. docs and reviews point here; architecture.test.ts holds the source to it.

const words = ['oci', 'kit']
const stores = ['http', 'blobs', 'catalogue', 'snapshots', 'access', 'trust']
const work = [...words, ...stores, 'selection', 'jobs']

/** Folder below src (or a stage, or one file) -> what it may import besides itself. The longest name that fits a file counts. */
export const mayImport: Readonly<Record<string, readonly string[]>> = {
  'flow.ts': [],
  oci: [],
  kit: [],
  config: [...words, 'flow.ts'],
  http: words,
  blobs: words,
  catalogue: words,
  snapshots: words,
  access: words,
  trust: words,
  selection: [...words, 'snapshots'],
  jobs: [...words, 'catalogue'],
  // A stage never imports another stage, nor config: it leaves rows, bytes, a job or a snapshot.
  'stages/*': work,
  // The front door cannot reach the database even by accident.
  'stages/redirect': [...words, 'http', 'blobs', 'snapshots', 'selection', 'access'],
  upkeep: work,
  api: [...work, 'stages', 'upkeep'],
  bridges: [...work, 'stages'],
  web: ['api/client.ts', 'api/client'],
  roles: [...work, 'stages', 'upkeep', 'api', 'bridges', 'web', 'config', 'flow.ts'],
  cli: [...words, 'api/client.ts', 'api/client'],
  'cli/main.ts': [...words, 'api/client.ts', 'api/client', 'config', 'flow.ts', 'roles', 'cli'],
  'cli/replicate-main.ts': [...words, 'config', 'roles', 'cli'],
}

/** The runtime's own name stays behind these doors. */
export const mayNameBun: readonly string[] = ['http', 'blobs', 'catalogue', 'snapshots', 'kit']

export const mayReadEnvironment: readonly string[] = ['config', 'cli/main.ts', 'cli/replicate-main.ts']

export const bannedNames: readonly string[] = [
  'utils',
  'util',
  'helpers',
  'helper',
  'common',
  'base',
  'impl',
  'types',
  'index',
  'misc',
]

export const mostLines = 300

/** Files that are longer all the same, with the length they may not pass. It only ever shrinks. */
export const longFiles: Readonly<Record<string, number>> = {}
