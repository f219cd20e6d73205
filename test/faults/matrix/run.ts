// `npm run matrix`: every table with every client, printed and written to docs/fault-matrix.md. Arguments choose tables: `A D`.

import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeVersions, installMissingPackages } from '../../kit/debian-packages.ts'
import { findTool } from '../../kit/tool.ts'
import { clientNames } from './lane.ts'
import { writePage } from './page.ts'
import { runTable, type TableLetter, type Told, tableLetters } from './tables.ts'

const tools = ['docker', 'dockerd', 'containerd', 'ctr', 'podman', 'buildah', 'skopeo', 'openssl']

installMissingPackages((line) => console.log(line))
const missing = tools.filter((tool) => findTool(tool) === undefined)
if (missing.length > 0) {
  console.error(`the matrix needs ${missing.join(', ')}, which cannot be installed here`)
  process.exit(1)
}
const asked = process.argv.slice(2)
const letters = tableLetters.filter((letter) => asked.length === 0 || asked.includes(letter))
const folder = mkdtempSync(join(tmpdir(), 'flotilla-matrix-'))
chmodSync(folder, 0o711)
const say = (line: string) => console.log(line)
const told: Told[] = []
try {
  for (const letter of letters as readonly TableLetter[]) {
    const table = await runTable(letter, { folder, clients: clientNames, say })
    console.log(`\nTable ${letter}. ${table.title}\n\n${table.text}\n`)
    told.push(table)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
const missed = told.flatMap(({ letter, missed: of }) => of.map((one) => `${letter}: ${one}`))
console.log(
  missed.length === 0
    ? 'every goal is met, but for the exceptions that goals.ts names'
    : `goals missed:\n${missed.join('\n')}`,
)
if (letters.length === tableLetters.length) {
  const page = new URL('../../../docs/fault-matrix.md', import.meta.url).pathname
  const before = readFileSync(page, 'utf8')
  writeFileSync(page, writePage(told, { versions: describeVersions(tools), date: new Date(), before }))
  console.log(`written to ${page}`)
}
process.exitCode = missed.length === 0 ? 0 : 1
