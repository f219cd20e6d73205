// Where the programs are that tests drive. The distribution's own come first: what lies in /usr/local is somebody's experiment.

import { accessSync, constants, readdirSync } from 'node:fs'
import { join } from 'node:path'

const postgresFolders = '/usr/lib/postgresql'

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** PostgreSQL keeps its server programs out of PATH, one folder per major version; the newest wins. */
function postgresBinFolders(): string[] {
  try {
    const versions = readdirSync(postgresFolders).map(Number).filter(Number.isFinite)
    return versions.sort((a, b) => b - a).map((version) => join(postgresFolders, String(version), 'bin'))
  } catch {
    return []
  }
}

/** A folder of programs that are to be driven instead of the machine's own. */
const insteadVariable = 'FLOTILLA_TEST_TOOLS'

export function useToolsOf(folder: string): void {
  process.env[insteadVariable] = folder
}

export function findTool(name: string): string | undefined {
  const instead = process.env[insteadVariable]
  const path = (process.env.PATH ?? '').split(':').filter((folder) => folder !== '')
  const folders = [
    ...(instead === undefined ? [] : [instead]),
    '/usr/sbin',
    '/usr/bin',
    '/sbin',
    '/bin',
    ...postgresBinFolders(),
    ...path,
  ]
  return folders.map((folder) => join(folder, name)).find(isProgram)
}

export function getTool(name: string): string {
  const path = findTool(name)
  if (path === undefined) throw new Error(`${name} is not installed`)
  return path
}
