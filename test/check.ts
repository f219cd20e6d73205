// `npm run check`: types, lint and format, architecture. All of them run, so that one broken rule does not hide the next.

import { spawnSync } from 'node:child_process'

process.chdir(new URL('..', import.meta.url).pathname)

const checks: readonly (readonly [string, readonly string[]])[] = [
  ['types', ['node_modules/.bin/tsc', '-p', '.']],
  ['lint and format', ['node_modules/.bin/biome', 'check', '--error-on-warnings', '.']],
  ['architecture', [process.execPath, 'test', './test/architecture.test.ts']],
]

const failed: string[] = []
for (const [name, [command = '', ...args]] of checks) {
  console.log(`${name}:`)
  if (spawnSync(command, args, { stdio: 'inherit' }).status !== 0) failed.push(name)
}
console.log(failed.length === 0 ? 'check: all good' : `check: failed: ${failed.join(', ')}`)
process.exitCode = failed.length === 0 ? 0 : 1
