// The entry of every command: settings are read here, once, and handed on.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, CommanderError, Option } from 'commander'
import pino, { type Logger } from 'pino'
import { ApiClient, ApiError } from '#api/client.ts'
import { type Config, checkFiles, makeConfig } from '#config/config.ts'
import { findCopy } from '#config/find-copy.ts'
import { ConfigError, loadSettings } from '#config/load-config.ts'
import { type KindName, kinds } from '#config/option-kinds.ts'
import { namesOf, type OptionName, type OptionRow, options } from '#config/options.ts'
import { type RoleName, roles } from '#flow.ts'
import { FolderBusy } from '#kit/folder-lock.ts'
import { writeHostTrace } from '#roles/check-in.ts'
import { adminTokenPath } from '#roles/first-start.ts'
import { holderDesk, KeysDesk } from '#roles/keys.ts'
import { replicaProgram } from '#roles/replica-program.ts'
import { rsyncdModule } from '#roles/rsyncd.ts'
import { runCopy } from '#roles/run-copy.ts'
import { runRoles } from '#roles/run-roles.ts'
import { runSigner } from '#roles/signer.ts'
import { checkInCommand } from './check-in-command.ts'
import { copyScreen } from './copy-screen.ts'
import { explainCommand } from './explain-command.ts'
import { hostCommands } from './host-commands.ts'
import { keysCommand } from './keys-commands.ts'
import { popularityCommand } from './popularity-command.ts'
import { clean, type Output } from './print.ts'
import type { Connect } from './release-commands.ts'
import { releaseCommands } from './release-commands.ts'
import { replicateCommand } from './replicate-command.ts'
import { rsyncdCommand } from './rsyncd-command.ts'
import { signerCommand } from './signer-command.ts'
import { statisticsCommand } from './statistics-command.ts'
import { terminalLog } from './terminal-log.ts'
import { tokenCommand } from './token-commands.ts'
import { printWelcome } from './welcome.ts'

type Flags = Partial<Record<OptionName, string>>

/** 0 done, 1 refused or failed, 2 wrong usage. */
const exitCodes = { failed: 1, usage: 2 } as const

/** What stands for the value in --help, where the kind's name is not the word. */
const placeholders: Partial<Record<KindName, string>> = {
  text: 'value',
  integer: 'n',
  count: 'n',
  bytes: 'size',
  duration: 'time',
  lifetime: 'time',
  listen: 'host:port',
}

function addOptions(command: Command): Command {
  for (const [name, row] of Object.entries(options) as [OptionName, OptionRow][]) {
    const { flag, variable } = namesOf(name)
    const option = new Option(
      row.kind === 'flag' ? `${flag} [boolean]` : `${flag} <${placeholders[row.kind] ?? row.kind}>`,
      `${row.help} (${variable}${row.default && row.kind !== 'flag' ? `, default ${row.default}` : ''})`,
    )
    if (row.kind === 'flag') option.preset('true')
    command.addOption(option.helpGroup(`${row.group}:`))
  }
  return command.addHelpText(
    'after',
    '\nEvery option can also be set in the environment (the name in brackets) or in flotilla.toml (the flag without --);\nFLOTILLA_CONFIG names another file than ./flotilla.toml.',
  )
}

function configure(flags: Flags): Config {
  const { settings, warnings } = loadSettings({ flags, environment: process.env, folder: process.cwd() })
  for (const warning of warnings) console.error(`flotilla: ${warning}`)
  return makeConfig(settings)
}

/** It is kept as a plain hash, which is safe only for what nobody can guess. */
const safeAdminTokenLength = 20

async function serve(names: readonly RoleName[], flags: Flags): Promise<void> {
  process.umask(0o022)
  const config = configure(flags)
  checkFiles(config.settings)
  const isForPeople = process.stdout.isTTY || config.settings.demo
  const level = config.settings.log === 'info' && isForPeople ? 'warn' : config.settings.log
  const log = isForPeople
    ? pino(
        { level },
        terminalLog((text) => process.stdout.write(text)),
      )
    : pino({ level })
  if (config.settings.adminToken !== undefined && config.settings.adminToken.length < safeAdminTokenLength)
    log.warn('the admin token is short enough to be guessed; better: openssl rand -hex 32')
  const running = await start(names, config, log)
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  })
  if (isForPeople) console.log('Draining; once more to end at once.')
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(exitCodes.failed))
  await running[Symbol.asyncDispose]()
}

/** Says what it does when it does it. */
async function start(names: readonly RoleName[], config: Config, log: Logger): Promise<AsyncDisposable> {
  const copy = findCopy(config.settings, names)
  if (copy === undefined) {
    const running = await runRoles(names, config, log)
    printWelcome(config, running)
    return running
  }
  const running = await runCopy(names, config, copy, log)
  process.stdout.write(copyScreen({ data: config.data, ...running }))
  return running
}

/** Commands that talk to a server: FLOTILLA_API_URL says where, FLOTILLA_TOKEN (else the data folder's admin token) who. */
const connector =
  (program: Command): Connect =>
  () => {
    const config = configure({})
    const { host, port } = config.listen.api
    const url =
      config.urls.api ?? `${config.tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`
    return { client: new ApiClient({ url, token: tokenOf(config) }), output: outputOf(program) }
  }

function outputOf(program: Command): Output {
  return { isJson: program.opts().json === true, write: (text) => void process.stdout.write(text) }
}

function publicTree(config: Config): string {
  return join(config.tree, config.publicChannel)
}

/** What commands show to the API. */
function tokenOf(config: Config): string | undefined {
  return config.settings.token ?? config.settings.adminToken ?? readToken(config)
}

function readToken(config: Config): string | undefined {
  try {
    return readFileSync(adminTokenPath(config), 'utf8').trim()
  } catch {
    return undefined
  }
}

function makeProgram(): Command {
  const version = (JSON.parse(readFileSync(join(import.meta.dir, '../../package.json'), 'utf8')) as { version: string })
    .version
  const program = new Command('flotilla')
    .description('A container registry whose image layers are served by a fleet of volunteer mirrors.')
    .version(version)
    .option('--json', 'print for programs')
    .enablePositionalOptions()
    .exitOverride()
    .showHelpAfterError('(flotilla --help lists the commands)')
  const connect = connector(program)
  addOptions(program.command('up').description('everything in one process')).action((flags: Flags) =>
    serve(roles, flags),
  )
  addOptions(
    program
      .command('serve')
      .description('some roles in this process')
      .addArgument(program.createArgument('<role...>', 'what to run').choices(roles)),
  ).action((names: RoleName[], flags: Flags) => serve(names, flags))
  for (const command of [
    ...releaseCommands(connect),
    ...hostCommands(connect),
    explainCommand(connect),
    popularityCommand(connect),
    statisticsCommand(connect),
    tokenCommand(connect),
  ])
    program.addCommand(command)
  const desk = () => new KeysDesk(configure({}))
  program.addCommand(
    signerCommand((socket) => {
      const config = configure({})
      return runSigner(config, socket, pino({ level: config.settings.log }))
    }),
  )
  program.addCommand(keysCommand({ desk, holder: holderDesk, output: () => outputOf(program) }))
  program.addCommand(replicateCommand(replicaProgram(`flotilla/${version}`, process.env), kinds))
  program.addCommand(
    checkInCommand(connect, (settings) =>
      writeHostTrace(settings, { token: tokenOf(configure({})), software: `flotilla/${version}`, nowMs: Date.now() }),
    ),
  )
  program.addCommand(rsyncdCommand(rsyncdModule, () => publicTree(configure({}))))
  for (const command of program.commands) shareFlags(command)
  return program
}

/** Commands that take `--json` in their own way, or run until they are stopped. */
const ownFlags = ['up', 'serve', 'signer', 'replicate', 'rsyncd-config']

/** `--json` may stand behind the command too, where people type it; errors of usage are ours to count everywhere. */
function shareFlags(command: Command): void {
  command.exitOverride()
  if (command.commands.length > 0) for (const one of command.commands) shareFlags(one)
  else if (!ownFlags.includes(command.name())) {
    command.option('--json', 'print for programs').hook('preAction', (_, action) => {
      if (action.opts().json) {
        let root: Command = action
        while (root.parent) root = root.parent
        root.setOptionValue('json', true)
      }
    })
  }
}

try {
  await makeProgram().parseAsync()
} catch (error) {
  process.exitCode = report(error)
}
// A pipe takes what was printed in pieces: an exit before the last one would cut it off.
await new Promise<void>((resolve) => process.stdout.end(resolve))
process.exit()

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage
  if (error instanceof ConfigError) {
    console.error(`flotilla: ${error.message}`)
    return exitCodes.usage
  }
  // The message may quote what others named.
  if (error instanceof ApiError) console.error(`flotilla: ${clean(error.message)}`)
  else if (error instanceof FolderBusy)
    console.error(`flotilla: the data folder is in use by process ${error.pid} (${error.message})`)
  else if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE')
    console.error(`flotilla: an address is in use already: ${(error as Error).message}`)
  else console.error(`flotilla: ${explain(error)}`)
  return exitCodes.failed
}

/** What went wrong and of what: a refusal of the system says all by itself, a bug is told with its place. */
function explain(error: unknown): string {
  const chain: Error[] = []
  for (let one = error; one instanceof Error && !chain.includes(one); one = one.cause) chain.push(one)
  const isOfSystem = chain.some((one) => typeof (one as NodeJS.ErrnoException).code === 'string')
  const isRefusal = /(Refused|Failed)$/.test(chain[0]?.name ?? '')
  if (isRefusal) return clean(chain[0]!.message)
  const told = chain.map((one) => one.message || (one as NodeJS.ErrnoException).code || one.name).join(': ')
  return isOfSystem ? told : `${told}\n${chain.at(-1)?.stack ?? String(error)}`
}
