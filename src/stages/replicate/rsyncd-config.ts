// The text of an rsyncd module that serves a tree, or a copy of one, to those who copy with rsync.

export type RsyncdOptions = {
  readonly module: string
  readonly folder: string
  /** What the module is, in a word or two. */
  readonly comment: string
  readonly maxConnections: number
  readonly timeoutSeconds: number
  /** Addresses and networks that may come; empty: all. */
  readonly allow: readonly string[]
  /** Whether the daemon runs as root: then it locks itself into the folder and gives up its rights. */
  readonly isRoot: boolean
}

export const rsyncdDefaults = {
  module: 'flotilla',
  comment: 'container image layers',
  maxConnections: 20,
  timeoutSeconds: 300,
  allow: [],
  isRoot: true,
} as const satisfies Partial<RsyncdOptions>

const modulePattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/
const addressPattern = /^[0-9A-Za-z.:/*-]{1,100}$/

export function rsyncdConfig(options: RsyncdOptions): string {
  const { module, folder, comment, maxConnections, timeoutSeconds, allow, isRoot } = options
  if (!modulePattern.test(module)) throw new Error(`not a module name: ${module}`)
  for (const one of allow) if (!addressPattern.test(one)) throw new Error(`not an address or a network: ${one}`)
  if (!folder.startsWith('/')) throw new Error(`the folder must be given from the root: ${folder}`)
  // By number: the group of nobody has another name on every family of distributions.
  const rights = isRoot ? ['use chroot = yes', 'uid = 65534', 'gid = 65534'] : ['use chroot = no']
  const lines = [
    `path = ${plain(folder)}`,
    `comment = ${plain(comment)}`,
    'read only = yes',
    'list = no',
    ...rights,
    // First match wins: the five folders, nothing hidden (unfinished files, the keeper's notes), and nothing else at the top.
    'filter = exclude .* include /blobs/*** include /lists/*** include /catalogue/*** include /metadata/*** include /trace/*** exclude *',
    // Reading every byte of the tree for a stranger, or packing what does not get smaller, is work for nothing.
    'refuse options = checksum',
    'dont compress = *',
    `max connections = ${count(maxConnections)}`,
    `timeout = ${count(timeoutSeconds)}`,
    'ignore nonreadable = yes',
    'reverse lookup = no',
    ...(allow.length > 0 ? [`hosts allow = ${allow.join(' ')}`] : []),
  ]
  return `[${module}]\n${lines.map((line) => `    ${line}\n`).join('')}`
}

/** rsyncd reads a value to the end of its line, expands %NAME% and joins a line that ends in a backslash with the next. */
function plain(text: string): string {
  if (/[\u0000-\u001f\u007f%]|\\$|^\s|\s$/.test(text))
    throw new Error(`cannot stand in rsyncd.conf: ${JSON.stringify(text)}`)
  return text
}

function count(value: number): number {
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`not a count: ${value}`)
  return value
}
