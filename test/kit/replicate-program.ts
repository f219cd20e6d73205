// `flotilla replicate` as a program of its own, for tests that kill it.

import { Command } from 'commander'
import { replicateCommand } from '#cli/replicate-command.ts'
import { kinds } from '#config/option-kinds.ts'
import { runReplica } from '#roles/replicate.ts'

await new Command('flotilla')
  .addCommand(replicateCommand((settings, control) => runReplica(settings, control, 'flotilla/test'), kinds))
  .parseAsync()
