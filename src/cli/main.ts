// The entry of every command.

import { Command, Option } from 'commander'
import pino from 'pino'
import { makeConfig } from '#config/config.ts'
import { ConfigError, loadSettings } from '#config/load-config.ts'
import { kinds } from '#config/option-kinds.ts'
import { namesOf, type OptionName, type OptionRow, options } from '#config/options.ts'
import { ensurePushRobot } from '#roles/first-start.ts'
import { startRegistry } from '#roles/registry.ts'
import { openResources } from '#roles/resources.ts'

const program = new Command('flotilla')
const up = program.command('up')
for (const [name, row] of Object.entries(options) as [OptionName, OptionRow][])
  up.addOption(
    new Option(`${namesOf(name).flag} ${row.kind === 'flag' ? '[value]' : '<value>'}`, row.help).preset(
      row.kind === 'flag' ? 'true' : '',
    ),
  )
up.action(async (flags) => {
  process.umask(0o022)
  const { settings } = loadSettings({ flags, environment: process.env, folder: process.cwd() })
  const config = makeConfig(settings)
  const log = pino({ level: settings.log })
  const resources = await openResources(config, log)
  await ensurePushRobot(config, resources.catalogue, Date.now())
  const registry = await startRegistry(resources)
  console.log('registry on', registry.listeners.registry!.port)
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, async () => {
      await registry.stop()
      await resources[Symbol.asyncDispose]()
      process.exit(0)
    })
})
void kinds
void ConfigError
await program.parseAsync()
