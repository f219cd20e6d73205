// What `flotilla keys` says: who has to do what, in words and commands that can be copied.

import { table } from './print.ts'

export type RootNeed = {
  readonly by: 'before' | 'itself'
  readonly threshold: number
  readonly signed: readonly string[]
  readonly unsigned: readonly string[]
}

export type KeysOutcome = {
  readonly version: number
  readonly expires: string
  readonly epoch: number
  readonly changes: readonly string[]
  readonly isInstalled: boolean
  readonly replaced: readonly string[]
  readonly deleted: readonly string[]
  readonly needs: readonly RootNeed[]
  readonly proposal: string
  readonly previous: string | undefined
  readonly keysFolder: string
}

export type KeysStatus = {
  readonly keysFolder: string
  readonly signer: string
  readonly root:
    | {
        readonly version: number
        readonly expires: string
        readonly path: string
        readonly epoch: number
        readonly after: Readonly<Record<string, number>>
        readonly roles: readonly {
          readonly role: string
          readonly threshold: number
          readonly keys: readonly string[]
          readonly here: readonly string[]
        }[]
      }
    | undefined
  readonly signed: readonly {
    readonly role: string
    readonly scope: string
    readonly version: number
    readonly generation: number | undefined
  }[]
  readonly proposal:
    | {
        readonly path: string
        readonly version: number
        readonly changes: readonly string[]
        readonly needs: readonly RootNeed[]
      }
    | undefined
}

const dayMs = 86_400_000
export const warnDays = 60

export function outcomeText(outcome: KeysOutcome): string {
  const { version, changes, isInstalled, proposal, previous, needs } = outcome
  const said = [`Root ${version}:`, ...changes.map((change) => `  ${change}`), '']
  if (!isInstalled) return [...said, ...tasksText(version, proposal, previous, needs)].join('\n')
  said.push(
    `Root ${version} is installed, good until ${outcome.expires}. A running worker takes it up within a minute.`,
  )
  for (const role of outcome.replaced) said.push(`The new key of ${role} is at work; the one before is deleted.`)
  for (const role of outcome.deleted)
    said.push(`${role}.key is deleted from this machine: its key signs nothing any more.`)
  return `${said.join('\n')}\n`
}

/** What the holders have to do, and what then. */
function tasksText(version: number, proposal: string, previous: string | undefined, needs: readonly RootNeed[]) {
  const compare = previous === undefined ? '' : ` --previous ${fileOf(previous)}`
  return [
    `It waits for signatures: ${proposal}`,
    ...needsText(needs),
    '',
    `Give each holder that file${previous === undefined ? '' : ` and ${previous}`}. On the machine of the key, without network:`,
    `  flotilla keys sign ${fileOf(proposal)}${compare} --key THEIR.key`,
    'One after the other, or each a copy of their own. When the files are back:',
    '  flotilla keys install FILE...',
    `Until then root ${version - 1 || 'none'} is in force${version > 1 ? '' : ', and nothing can be published'}.`,
    '',
  ]
}

function needsText(needs: readonly RootNeed[]): string[] {
  return needs.flatMap(({ by, threshold, signed, unsigned }) => {
    const whose = by === 'before' ? 'keys of the root before' : 'its own keys'
    const open = threshold - signed.length
    return [
      `  ${threshold} of ${signed.length + unsigned.length} ${whose}: ${open > 0 ? `${open} more needed` : 'enough'}`,
      ...signed.map((id) => `    signed   ${id}`),
      ...unsigned.map((id) => `    missing  ${id}`),
    ]
  })
}

export function statusText(status: KeysStatus, nowMs: number): string {
  const { root, proposal, keysFolder, signer } = status
  const said = [`keys      ${keysFolder}`, `signer    ${signer}`]
  if (root) {
    const days = Math.floor((Date.parse(root.expires) - nowMs) / dayMs)
    said.push(`root      version ${root.version}, ${root.path}`)
    said.push(`expires   ${root.expires}, ${days < 0 ? 'EXPIRED: nobody takes anything new' : `in ${days} days`}`)
    if (days >= 0 && days < warnDays)
      said.push(`          renew it: flotilla keys renew; then see to the holders' signatures`)
    const floors = Object.entries(root.after).map(([channel, floor]) => `${channel} after generation ${floor}`)
    said.push(`epoch     ${[root.epoch, ...floors].join(', ')}`, '', rolesText(root.roles))
  } else said.push('root      none yet: flotilla keys init, or a first start, makes one')
  said.push(signedText(status.signed))
  if (proposal) {
    const changes = proposal.changes.map((change) => `  ${change}`)
    said.push(`Root ${proposal.version} is proposed:`, ...changes)
    said.push(...tasksText(proposal.version, proposal.path, root?.path, proposal.needs))
  }
  return `${said.join('\n').trimEnd()}\n`
}

function rolesText(roles: NonNullable<KeysStatus['root']>['roles']): string {
  const rows = roles.flatMap(({ role, threshold, keys, here }) =>
    keys.map((id, i) => [
      i === 0 ? role : '',
      i === 0 ? `${threshold} of ${keys.length}` : '',
      id,
      here.includes(id) ? 'here' : 'elsewhere',
    ]),
  )
  return table(['ROLE', 'THRESHOLD', 'KEY', 'WHERE'], rows, 'No keys.')
}

function signedText(signed: KeysStatus['signed']): string {
  const rows = signed.map(({ role, scope, version, generation }) => [scope, role, version, generation])
  return table(['CHANNEL', 'SIGNED', 'VERSION', 'GENERATION'], rows.sort(), 'Nothing was signed here yet.')
}

function fileOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
