// The screen after a start: what runs where, and what to type next. Its commands work as they stand when they are pasted into a
// shell in the folder where the program was started.

import { join, relative, resolve } from 'node:path'

export type Shown = {
  readonly roles: readonly { readonly name: string }[]
  readonly addresses: Readonly<Record<string, string>>
  readonly demo: { readonly hosts: readonly { readonly name: string; readonly url: string }[] } | undefined
}

export type Places = {
  readonly data: string
  readonly keys: string
  readonly publicChannel: string
  readonly settings: { readonly adminToken?: string | undefined }
}

export type Screen = {
  readonly folder: string
  readonly columns: number
  readonly isColoured: boolean
  /** Where bin/flotilla is. */
  readonly program: string
}

const listeners = [
  ['registry', 'registry', 'builders push here'],
  ['frontdoor', 'front door', 'users pull here'],
  ['api', 'status', 'the status page; also API and metrics'],
  ['origin', 'origin', 'hosts copy the published tree from here'],
] as const

/** As bytes flow. */
const rolesInOrder = ['registry', 'manager', 'worker', 'mirror', 'frontdoor', 'origin']
const defaultApiUrl = 'http://127.0.0.1:5002'

export function printWelcome(places: Places, shown: Shown): void {
  const { stdout } = process
  const screen = {
    folder: process.cwd(),
    columns: stdout.columns ?? 80,
    isColoured: stdout.isTTY === true && stdout.hasColors(),
    program: join(import.meta.dir, '../../bin/flotilla'),
  }
  stdout.write(welcomeText(places, shown, screen))
}

export function welcomeText(places: Places, { roles, addresses, demo }: Shown, screen: Screen): string {
  const bold = (text: string) => (screen.isColoured ? `\u001b[1m${text}\u001b[0m` : text)
  const dim = (text: string) => (screen.isColoured ? `\u001b[2m${text}\u001b[0m` : text)
  const rows = [
    ...listeners.flatMap(([name, title, purpose]) => {
      const url = addresses[name]
      return url === undefined ? [] : [[title, url, purpose] as const]
    }),
    ...(demo?.hosts ?? []).map(({ name, url }) => [name, url, 'a demonstration host, with its own copy'] as const),
  ]
  const titleWidth = Math.max(...rows.map(([title]) => title.length), 'data folder'.length)
  const urlWidth = Math.max(...rows.map(([, url]) => url.length), 0)
  const lines = [
    '',
    `${bold('Flotilla is up:')} ${roles
      .map(({ name }) => name)
      .sort((a, b) => rolesInOrder.indexOf(a) - rolesInOrder.indexOf(b))
      .join(', ')}`,
    '',
    ...rows.map(([title, url, purpose]) => `  ${title.padEnd(titleWidth)}  ${url.padEnd(urlWidth)}  ${dim(purpose)}`),
    `  ${'data folder'.padEnd(titleWidth)}  ${pathIn(screen.folder, places.data)}`,
    // A front door or an origin alone has none.
    ...((addresses.registry ?? addresses.api)
      ? [`  ${'admin token'.padEnd(titleWidth)}  ${tokenPlace(places, screen)}`]
      : []),
    '',
  ]
  for (const { why, commands } of steps(places, { addresses, demo }, screen)) {
    lines.push(`  ${dim(`# ${why}`)}`)
    for (const command of commands) for (const line of fold(command, screen.columns)) lines.push(`  ${line}`)
    lines.push('')
  }
  lines.push('Ctrl-C drains and stops; starting again finds all as it was.', '')
  return `${lines.join('\n')}\n`
}

type Step = { readonly why: string; readonly commands: readonly string[] }

function steps(places: Places, { addresses, demo }: Omit<Shown, 'roles'>, screen: Screen): Step[] {
  const { registry, frontdoor, api } = addresses
  const program = quote(programIn(screen))
  const found: Step[] = []
  const environment = environmentFor(places, api, screen)
  if (api !== undefined && environment.length > 0)
    found.push({ why: 'In another shell, so that commands find this server:', commands: [environment] })
  const sample = demo && frontdoor ? `${bare(frontdoor)}/demo/hello` : undefined
  if (sample !== undefined) {
    found.push({
      why: `${found.length === 0 ? 'In another shell: pull' : 'Pull'} the sample image; a host sends its large layer.`,
      commands: [`docker pull ${sample}`],
    })
    if (api !== undefined)
      found.push({
        why: 'Which host an address is sent to, and why:',
        commands: [`${program} explain --ip 127.0.0.1 --ref demo/hello`],
      })
  }
  if (registry === undefined) return found
  const image = `${bare(registry)}/my/app:1`
  found.push({
    why:
      sample === undefined
        ? 'Push an image of yours (here one named app) as the robot builder:'
        : 'Push it under a name of yours, as the robot builder:',
    commands: [
      `docker login -u builder --password-stdin ${bare(registry)} < ${quote(pathIn(screen.folder, join(places.keys, 'builder-token')))}`,
      `docker tag ${sample ?? 'app'} ${image}`,
      `docker push ${image}`,
    ],
  })
  if (api !== undefined && frontdoor !== undefined)
    found.push({
      why: `Release it: promote it to ${places.publicChannel}, publish, and pull it as users do.`,
      commands: [
        `${program} promote my/app:1 --to ${places.publicChannel}`,
        `${program} publish --now`,
        `docker pull ${bare(frontdoor)}/my/app:1`,
      ],
    })
  return found
}

/** What a fresh shell in the same folder would not know. */
function environmentFor({ data, settings }: Places, api: string | undefined, { folder }: Screen): string {
  const given = [
    ...(api === undefined || api === defaultApiUrl ? [] : [`FLOTILLA_API_URL=${quote(api)}`]),
    ...(settings.adminToken !== undefined || resolve(folder, 'var') === data ? [] : [`FLOTILLA_DATA=${quote(data)}`]),
    ...(settings.adminToken === undefined ? [] : ['FLOTILLA_TOKEN="$FLOTILLA_ADMIN_TOKEN"']),
  ]
  return given.length === 0 ? '' : `export ${given.join(' ')}`
}

function tokenPlace({ keys, settings }: Places, { folder }: Screen): string {
  return settings.adminToken === undefined ? pathIn(folder, join(keys, 'admin-token')) : 'as given'
}

function pathIn(folder: string, path: string): string {
  const short = relative(folder, path)
  return short === '' ? '.' : short.startsWith('..') ? path : short
}

function programIn({ folder, program }: Screen): string {
  const short = relative(folder, program)
  return short.startsWith('..') ? program : `./${short}`
}

function bare(url: string): string {
  return url.replace(/^https?:\/\//, '')
}

function quote(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/** A command that is wider than the screen goes on in the next line, as a shell reads it. */
function fold(command: string, columns: number): string[] {
  const room = Math.max(columns, 40) - 2
  const lines: string[] = []
  let line = ''
  for (const word of command.split(/(?<!<) /)) {
    const next = line === '' ? word : `${line} ${word}`
    if (next.length > room - 2 && line !== '') {
      lines.push(`${line} \\`)
      line = `  ${word}`
    } else line = next
  }
  return [...lines, line]
}
