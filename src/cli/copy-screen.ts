// The screen of a server over a copied tree: what it serves, where, and what to type next.

export type CopyShown = {
  readonly data: string
  readonly copy: string
  readonly addresses: Readonly<Record<string, string>>
  readonly served:
    | {
        readonly generation: number
        readonly publication: {
          readonly channel: string
          readonly createdAtMs: number
          readonly repositories: ReadonlyMap<
            string,
            { readonly name: string; readonly tags: ReadonlyMap<string, unknown> }
          >
        }
      }
    | undefined
  /** Why the tree that lies there is not taken. */
  readonly refused: string | undefined
  readonly root: { readonly fingerprint: string; readonly isGiven: boolean } | undefined
}

const listeners = [
  ['frontdoor', 'front door', 'users pull here'],
  ['origin', 'origin', 'other hosts copy the tree from here'],
] as const

export function copyScreen(shown: CopyShown): string {
  const { addresses, copy, data, refused, root } = shown
  const rows = listeners.flatMap(([name, title, purpose]) => {
    const url = addresses[name]
    return url === undefined ? [] : [`  ${title.padEnd(11)}  ${url}  ${purpose}`]
  })
  return [
    '',
    'Flotilla is up, over a copied tree:',
    '',
    ...rows,
    `  ${'copy'.padEnd(11)}  ${copy}`,
    `  ${'data folder'.padEnd(11)}  ${data}`,
    ...(root === undefined ? [] : rootRows(root)),
    ...(addresses.frontdoor === undefined ? [] : contentRows(shown, addresses.frontdoor)),
    ...(refused === undefined ? [] : [`  ${'refused'.padEnd(11)}  ${refused}`]),
    '',
    'Ctrl-C drains and stops; starting again finds all as it was.',
    '',
    '',
  ].join('\n')
}

function rootRows({ fingerprint, isGiven }: NonNullable<CopyShown['root']>): string[] {
  const row = `  ${'root'.padEnd(11)}  ${fingerprint}`
  return isGiven
    ? [row]
    : [row, `  ${''.padEnd(11)}  as the copy showed it first: compare it with the operator's, and pin it by --root`]
}

function contentRows({ served, copy, refused }: CopyShown, url: string): string[] {
  const title = 'serves'.padEnd(11)
  if (!served) {
    if (refused !== undefined) return [`  ${title}  nothing yet`]
    return [
      `  ${title}  nothing yet: the folder has no tree. Make one, and the front door takes it up:`,
      '',
      `  flotilla replicate --from <address of the origin> --to ${copy}`,
    ]
  }
  const { channel, createdAtMs, repositories } = served.publication
  const all = [...repositories.values()]
  const tags = all.reduce((sum, repository) => sum + repository.tags.size, 0)
  const made = new Date(createdAtMs).toISOString().slice(0, 16).replace('T', ' ')
  const about = `${channel} generation ${served.generation} of ${made} UTC: ${counted(all.length, 'repository', 'repositories')}, ${counted(tags, 'tag', 'tags')}`
  const example = all.find((repository) => repository.tags.size > 0)
  const [tag] = example?.tags.keys() ?? []
  const pull =
    example === undefined ? [] : ['', `  docker pull ${url.replace(/^https?:\/\//, '')}/${example.name}:${tag}`]
  return [`  ${title}  ${about}`, ...pull]
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`
}
