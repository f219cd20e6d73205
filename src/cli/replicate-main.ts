// `flotilla-replicate`: the one command of a volunteer's machine as a program of its own, to be compiled into one file
// (npm run build:replicate).

import { kinds } from '#config/option-kinds.ts'
import { replicaProgram } from '#roles/replica-program.ts'
import { replicateCommand } from './replicate-command.ts'

/** Set by the build. */
declare const FLOTILLA_VERSION: string

// No await at the top: bytecode, by which it starts in half the time, is of functions only.
async function main(): Promise<void> {
  process.umask(0o022)
  const command = replicateCommand(replicaProgram(`flotilla/${FLOTILLA_VERSION}`, process.env), kinds)
  await command.name('flotilla-replicate').version(FLOTILLA_VERSION).parseAsync()
  // A pipe takes what was printed in pieces: an exit before the last one would cut it off.
  await new Promise<void>((resolve) => process.stdout.end(resolve))
  process.exit()
}

void main()
