// docs/options.md, made from the table of options; a test holds the page to it.

import { kinds } from './option-kinds.ts'
import { namesOf, type OptionName, type OptionRow, options } from './options.ts'

const introduction = `# Options

Every option is a flag, a variable of the environment, and a key of \`flotilla.toml\` in the folder that Flotilla starts in (or the file
that \`FLOTILLA_CONFIG\` names). The flag wins over the variable, the variable over the file, the file over the default. An empty variable
is an unset one.
`

export function renderOptionsPage(): string {
  const rows = Object.entries(options) as [OptionName, OptionRow][]
  const groups = [...new Set(rows.map(([, row]) => row.group))]
  return [introduction, ...groups.map((group) => renderGroup(group, rows))].join('\n')
}

function renderGroup(group: string, rows: readonly (readonly [OptionName, OptionRow])[]): string {
  const lines = rows.filter(([, row]) => row.group === group).map(([name, row]) => renderRow(name, row))
  return [
    `## ${group}`,
    '',
    '| flag and key | variable | default | what it is, and what it takes |',
    '|---|---|---|---|',
    ...lines,
    '',
  ].join('\n')
}

function renderRow(name: OptionName, row: OptionRow): string {
  const { flag, variable } = namesOf(name)
  const preset = row.default ? `\`${row.default}\`` : ''
  const exception = row.environmentWins ? ' Here the variable wins over the flag.' : ''
  return `| \`${flag}\` | \`${variable}\` | ${preset} | ${upperFirst(inCell(row.help))}. Takes ${inCell(kinds[row.kind].takes)}.${exception} |`
}

const inCell = (text: string) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
const upperFirst = (text: string) => (/^[a-z]+:/.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1))
