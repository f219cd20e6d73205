// `flotilla replicate` as a program of its own, for tests that kill it.

import { Command } from 'commander'
import { replicateCommand } from '#cli/replicate-command.ts'
import { kinds } from '#config/option-kinds.ts'
import { copyTree } from '#roles/volunteer.ts'

const run = (...args: Parameters<Parameters<typeof replicateCommand>[0]>) => copyTree('flotilla/test', ...args)
await new Command('flotilla').addCommand(replicateCommand(run, kinds)).parseAsync()
