// `flotilla replicate`: the one command a volunteer's machine runs. It needs no configuration and no server of ours beside it.

import { readFile, statfs } from 'node:fs/promises'
import { Command } from 'commander'
import { clean } from './print.ts'
import { ProgressLine, type ProgressStep, secondsText } from './progress-line.ts'
import {
  addReplicateOptions,
  type Flags,
  flagProblem,
  isPrivateAddress,
  type ReplicateKinds,
  type ReplicateParsers,
  readRoot,
} from './replicate-flags.ts'
import {
  describeOutcome,
  exitCodeOf,
  exitCodeOfOutcome,
  failureOf,
  notesOf,
  type ReplicateOutcome,
} from './replicate-outcome.ts'

/** What the command hands to the stage; the shapes meet by structure. */
export type ReplicateSettings = {
  readonly from: readonly string[]
  readonly to: string
  readonly name: string
  readonly root: Uint8Array | string | undefined
  readonly connections: number
  readonly check: { readonly bytesPerSecond: number; readonly limitMs: number } | undefined
  readonly isPrune: boolean
  readonly bytesPerSecond: number
  readonly windows: NonNullable<Flags['window']>
  readonly outsideBytesPerSecond: number
  readonly minFreeBytes: number
  readonly graceMs: number
  readonly patienceMs: number
  readonly capBytes: number | undefined
  readonly repositories: readonly string[]
  readonly platforms: readonly string[]
  readonly minBytes: number
  readonly maxBytes: number | undefined
  readonly family: 4 | 6 | undefined
  readonly onUpdate: string | undefined
  readonly onFailure: string | undefined
  readonly hookLimitMs: number
  readonly checkIn: { readonly url: string; readonly token: string } | undefined
}

export type ReplicateControl = {
  readonly stop: AbortSignal
  readonly onProgress: (step: ProgressStep) => void
  readonly onEvent: (event: { readonly event: string }) => void
  readonly freeBytes: (folder: string) => Promise<number>
  readonly allowPrivate: { readonly sources: boolean; readonly hosts: boolean }
  /** PEM of certificate authorities to believe besides the known ones. */
  readonly ca: string | undefined
  readonly proxy: string | undefined
}

type Listener = {
  readonly onRunNow: (run: () => void) => () => void
  readonly onOutcome: (outcome: ReplicateOutcome) => void
  readonly onFailure: (error: unknown) => void
}

export type ReplicateProgram = ReplicateParsers & {
  readonly run: (settings: ReplicateSettings, control: ReplicateControl) => Promise<ReplicateOutcome>
  readonly keep: (
    settings: ReplicateSettings,
    everyMs: number,
    control: ReplicateControl,
    listener: Listener,
  ) => Promise<void>
}

export function replicateCommand(program: ReplicateProgram, kinds: ReplicateKinds): Command {
  const command = new Command('replicate')
    // Wrong usage is 2; commander's own answer would be 1.
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
    .description('copy a published tree to a folder, or bring the copy up to date')
  addReplicateOptions(command, kinds, program)
  return command
    .addHelpText(
      'after',
      '\nEnds with 0 done, 1 failed, 2 wrong usage, 3 not to be trusted (or the clock is wrong), 4 no room, 75 not now.',
    )
    .action(async (_, action: Command) => {
      const flags = action.optsWithGlobals<Flags>()
      const problem = flagProblem(action)
      if (problem) action.error(`error: ${problem}`)
      process.exitCode = await new ReplicateCommand(program, flags).run()
    })
}

const signals = ['SIGINT', 'SIGTERM'] as const

class ReplicateCommand {
  readonly #program: ReplicateProgram
  readonly #flags: Flags
  readonly #progress: ProgressLine | undefined
  readonly #stopping = new AbortController()
  #hasSaidWait = false

  constructor(program: ReplicateProgram, flags: Flags) {
    this.#program = program
    this.#flags = flags
    const isForPeople = !flags.quiet && !flags.json && !flags.log && flags.every === undefined && process.stderr.isTTY
    this.#progress = isForPeople ? new ProgressLine() : undefined
  }

  async run(): Promise<number> {
    const onSignal = () => this.#stopping.abort(new Error('stopped by a signal'))
    for (const signal of signals) process.once(signal, onSignal)
    try {
      const settings = await settingsOf(this.#flags, this.#program)
      const control = await this.#control()
      const { every } = this.#flags
      if (every !== undefined) {
        await this.#program.keep(settings, every, control, this.#listener())
        return 0
      }
      const outcome = await this.#program.run(settings, control)
      this.#tell(outcome)
      return exitCodeOfOutcome(outcome)
    } catch (error) {
      this.#complain(error)
      return exitCodeOf(error)
    } finally {
      for (const signal of signals) process.removeListener(signal, onSignal)
    }
  }

  async #control(): Promise<ReplicateControl> {
    const { allowPrivate, from, ca, proxy } = this.#flags
    return {
      stop: this.#stopping.signal,
      onProgress: (step) => this.#progress?.show(step),
      onEvent: (event) => {
        this.#log(event)
        if (isWait(event)) this.#sayWait(event.ms)
      },
      async freeBytes(folder) {
        const { bavail, bsize } = await statfs(folder)
        return bavail * bsize
      },
      allowPrivate: { sources: allowPrivate === true || from.some(isPrivateAddress), hosts: allowPrivate === true },
      ca: ca === undefined ? undefined : await readFile(ca, 'utf8'),
      proxy,
    }
  }

  #listener(): Listener {
    return {
      onOutcome: (outcome) => this.#tell(outcome),
      onFailure: (error) => this.#complain(error),
      onRunNow(run) {
        process.on('SIGHUP', run)
        return () => process.removeListener('SIGHUP', run)
      },
    }
  }

  #tell(outcome: ReplicateOutcome): void {
    const { json, quiet } = this.#flags
    this.#progress?.end()
    this.#log({ event: 'end', ...outcome })
    if (json) console.log(JSON.stringify(outcome))
    else if (!quiet) console.log(describeOutcome(outcome))
    if (this.#flags.log === undefined) for (const note of notesOf(outcome)) console.error(`replicate: ${note}`)
  }

  #complain(error: unknown): void {
    const failure = failureOf(error)
    this.#progress?.end()
    this.#log({ event: 'end', ...failure })
    if (this.#flags.json) console.log(JSON.stringify(failure))
    // The message may hold words of the other side.
    if (this.#flags.log === undefined) console.error(`replicate: ${clean(failure.message)}`)
  }

  /** On a terminal in the line of progress; else once in a run. */
  #sayWait(ms: number): void {
    this.#progress?.wait(ms)
    const { json, log, quiet } = this.#flags
    if (this.#progress || this.#hasSaidWait || json || log || quiet) return
    this.#hasSaidWait = true
    console.error(`replicate: the source is busy and says to come back in ${secondsText(ms)}: waiting (see --patience)`)
  }

  #log(event: { readonly event: string }): void {
    if (this.#flags.log === 'json') console.error(JSON.stringify({ time: new Date().toISOString(), ...event }))
  }
}

function isWait(event: { readonly event: string }): event is { readonly event: 'wait'; readonly ms: number } {
  return event.event === 'wait'
}

async function settingsOf(flags: Flags, { tokenProblem }: ReplicateParsers): Promise<ReplicateSettings> {
  const { checkIn: url, tokenFile } = flags
  const token = tokenFile === undefined ? undefined : (await readFile(tokenFile, 'utf8')).trim()
  const problem = token === undefined ? undefined : tokenProblem(token)
  if (problem) throw new Error(`${tokenFile}: ${problem}`)
  return {
    from: flags.from,
    to: flags.to,
    name: flags.name,
    root: flags.root === undefined ? undefined : await readRoot(flags.root),
    connections: flags.connections,
    check: flags.check ? { bytesPerSecond: flags.checkRate, limitMs: flags.checkTime } : undefined,
    isPrune: flags.prune === true,
    bytesPerSecond: flags.limitRate,
    windows: flags.window ?? [],
    outsideBytesPerSecond: flags.outsideRate,
    minFreeBytes: flags.minFree,
    graceMs: flags.grace,
    patienceMs: flags.patience,
    capBytes: flags.cap,
    repositories: flags.repository ?? [],
    platforms: flags.platform ?? [],
    minBytes: flags.minSize,
    maxBytes: flags.maxSize,
    family: flags[4] ? 4 : flags[6] ? 6 : undefined,
    onUpdate: flags.onUpdate,
    onFailure: flags.onFailure,
    hookLimitMs: flags.hookTime,
    checkIn: url === undefined ? undefined : { url, token: token! },
  }
}
