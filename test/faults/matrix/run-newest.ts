// `npm run clients`: tables A to C with Debian's newest clients, docker with both of its stores. Not part of the tests: it fetches some
// 150 MB of packages the first time. Arguments choose tables: `A`. What was run is written behind the tables of docs/fault-matrix.md.

import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startContainerd } from '../../kit/clients/containerd.ts'
import { makePodman, makeSkopeo } from '../../kit/clients/containers-image.ts'
import { startDocker, startDockerOnContainerd } from '../../kit/clients/docker.ts'
import { makeCrane, makeOras } from '../../kit/clients/layout-tools.ts'
import { installMissingPackages } from '../../kit/debian-packages.ts'
import { runProgram } from '../../kit/process.ts'
import { useToolsOf } from '../../kit/tool.ts'
import type { ClientName, Starter } from './lane.ts'
import { newestPrograms, PackagesMissing, unpackNewest } from './newest-packages.ts'
import { withNewest } from './page.ts'
import { runTable, type TableLetter, type Told } from './tables.ts'

const starters: Partial<Record<ClientName, Starter>> = {
  docker: startDockerOnContainerd,
  'docker, classic store': startDocker,
  ctr: startContainerd,
  podman: makePodman,
  skopeo: makeSkopeo,
  crane: makeCrane,
  oras: makeOras,
}
const clients = Object.keys(starters) as ClientName[]
// Kept for the next run.
const kept = join(tmpdir(), 'flotilla-newest-clients')
const say = (line: string) => console.log(line)

async function describeProgram(bin: string, program: string): Promise<string> {
  const asked = program === 'crane' || program === 'oras' ? 'version' : '--version'
  const { stdout, stderr } = await runProgram(join(bin, program), [asked])
  const told = /\d+\.\d+[^\s,;]*/.exec(`${stdout}\n${stderr}`)?.[0]
  return `${program} ${told ?? packagedVersion(program) ?? 'of an unknown version'}`
}

/** Debian's crane does not know its own. */
function packagedVersion(program: string): string | undefined {
  const packed = readdirSync(join(kept, 'cache/archives')).find((file) => file.startsWith(`${program}_`))
  return packed?.split('_')[1]
}

installMissingPackages(say)
const bin = await unpackNewest(kept, say).catch((error) => {
  if (!(error instanceof PackagesMissing)) throw error
  console.error(`Debian's newest clients cannot be had here: ${error.message}`)
  process.exit(1)
})
useToolsOf(bin)
const versions = (await Promise.all(newestPrograms.map((program) => describeProgram(bin, program)))).join(', ')
console.log(versions)
const all: Told[] = []
const folder = mkdtempSync(join(tmpdir(), 'flotilla-newest-'))
chmodSync(folder, 0o711)
const asked = process.argv.slice(2)
const letters = (['A', 'B', 'C'] as const).filter((letter) => asked.length === 0 || asked.includes(letter))
let isMissed = false
try {
  for (const letter of letters satisfies readonly TableLetter[]) {
    const told = await runTable(letter, { folder, clients, say, starterOf: (client) => starters[client]! })
    console.log(`\nTable ${letter}. ${told.title}\n\n${told.text}\n`)
    all.push(told)
    // What the newest survive of late faults is printed and not promised.
    if (letter === 'C') continue
    isMissed ||= told.missed.length > 0
    if (told.missed.length > 0) console.log(`goals missed:\n${told.missed.join('\n')}`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
const page = new URL('../../../docs/fault-matrix.md', import.meta.url).pathname
writeFileSync(page, withNewest(readFileSync(page, 'utf8'), all, { versions, date: new Date() }))
console.log(`written to ${page}`)
process.exitCode = isMissed ? 1 : 0
