// `flotilla replicate`: the one command a volunteer's machine runs. It needs no configuration and no server of ours beside it.

import { readFile, statfs } from 'node:fs/promises'
import { hostname } from 'node:os'
import { Command, InvalidArgumentError, Option } from 'commander'
import { byteText, clean } from './print.ts'
import { ProgressLine, type ProgressStep } from './progress-line.ts'

/** What the command hands to the stage; the shapes meet by structure. */
export type ReplicateSettings = {
  readonly from: string
  readonly to: string
  readonly name: string
  readonly connections: number
  readonly isCheck: boolean
  readonly isPrune: boolean
  readonly minFreeBytes: number
  readonly bytesPerSecond: number
  readonly graceMs: number
  readonly root: Uint8Array | string | undefined
}

export type ReplicateOutcome = {
  readonly outcome: 'unchanged' | 'refreshed' | 'updated'
  readonly channel: string
  readonly generation: number
  readonly files: number
  readonly bytes: number
  readonly damaged: number
  readonly deleted: number
  readonly strays: number
  readonly believed: string | undefined
}

export type ReplicateControl = {
  readonly stop: AbortSignal
  readonly onProgress: (step: ProgressStep) => void
  readonly freeBytes: (folder: string) => Promise<number>
  /** Addresses that are loopback or private may be connected to. */
  readonly allowPrivate: boolean
  /** PEM of certificate authorities to believe besides the known ones. */
  readonly ca: string | undefined
}

export type RunReplicate = (settings: ReplicateSettings, control: ReplicateControl) => Promise<ReplicateOutcome>

/** How texts become values, and what a text may be: the option table's kinds have this shape. */
type Kind<T> = { readonly takes: string; parse(text: string): T | undefined; format(value: T): string }
export type ReplicateKinds = {
  readonly bytes: Kind<number>
  readonly duration: Kind<number>
  readonly integer: Kind<number>
}

type Flags = {
  readonly from: string
  readonly to: string
  readonly name: string
  readonly connections: number
  readonly check: boolean
  readonly prune: boolean
  readonly minFree: number
  readonly limitRate: number
  readonly grace: number
  readonly root?: string
  readonly allowPrivate: boolean
  readonly ca?: string
  readonly json: boolean
  readonly quiet: boolean
}

const maxConnections = 16
/** A server may take a slower reader for a dead one. */
const leastRate = 128 * 1024
const maxRootBytes = 256 * 1024

export function replicateCommand(run: RunReplicate, kinds: ReplicateKinds): Command {
  const parserOf =
    <T>(kind: Kind<T>) =>
    (text: string) => {
      const value = kind.parse(text)
      if (value === undefined) throw new InvalidArgumentError(`It takes ${kind.takes}.`)
      return value
    }
  const rate = (text: string) => {
    const value = parserOf(kinds.bytes)(text)
    if (value !== 0 && value < leastRate) throw new InvalidArgumentError('It takes 128KiB or more, or 0.')
    return value
  }
  const connections = (text: string) => {
    const value = parserOf(kinds.integer)(text)
    if (value < 1 || value > maxConnections) throw new InvalidArgumentError(`It takes 1 to ${maxConnections}.`)
    return value
  }
  return (
    new Command('replicate')
      // Wrong usage is 2; commander's own answer would be 1.
      .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
      .description('copy a published tree to a folder, or bring the copy up to date')
      .requiredOption('--from <url>', 'address of the published tree (http or https)', parseTreeUrl)
      .requiredOption('--to <folder>', 'the copy; any web server or rsync daemon can serve it')
      .option('--name <host>', 'what this host calls itself in trace/', hostname().toLowerCase())
      .addOption(
        new Option('--connections <n>', `files at once, 1 to ${maxConnections}`).argParser(connections).default(4),
      )
      .option('--check', 'read every file again and replace what is damaged', false)
      .option('--prune', 'also let blobs go that no list ever named', false)
      .addOption(sized('--min-free <size>', 'space on the disk to leave free', kinds.bytes, 2 ** 30))
      .addOption(
        new Option('--limit-rate <size>', 'bytes a second over all connections; 0: no limit')
          .argParser(rate)
          .default(0, 'no limit'),
      )
      .addOption(sized('--grace <time>', 'how long to keep what left the list', kinds.duration, 24 * 3_600_000))
      .option(
        '--root <file|sha256:hex>',
        "the publisher's 1.root.json, or its sha256; else the first run believes the source",
      )
      .option('--allow-private', 'let the address lead to a private network', false)
      .option('--ca <file>', 'certificate authorities (PEM) to believe besides the known ones')
      .option('--json', 'print the outcome as JSON', false)
      .option('--quiet', 'print errors only', false)
      .action(async (_, command: Command) => {
        process.exitCode = await runCommand(run, command.optsWithGlobals<Flags>())
      })
  )

  function sized(flag: string, help: string, kind: Kind<number>, standard: number): Option {
    return new Option(flag, help).argParser(parserOf(kind)).default(standard, kind.format(standard))
  }
}

function parseTreeUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new InvalidArgumentError('It takes an http or https address.')
  }
  if (url.username || url.password || url.search || url.hash) {
    throw new InvalidArgumentError('The address of a tree has no user name, query or fragment.')
  }
  return text
}

async function runCommand(run: RunReplicate, flags: Flags): Promise<number> {
  const stopping = new AbortController()
  const onSignal = () => stopping.abort(new Error('stopped by a signal'))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal)
  const progress = flags.quiet || flags.json || !process.stderr.isTTY ? undefined : new ProgressLine()
  try {
    const outcome = await run(
      {
        from: flags.from,
        to: flags.to,
        name: flags.name,
        connections: flags.connections,
        isCheck: flags.check,
        isPrune: flags.prune,
        minFreeBytes: flags.minFree,
        bytesPerSecond: flags.limitRate,
        graceMs: flags.grace,
        root: flags.root === undefined ? undefined : await readRoot(flags.root),
      },
      {
        stop: stopping.signal,
        onProgress: (step) => progress?.show(step),
        freeBytes: async (folder) => {
          const { bavail, bsize } = await statfs(folder)
          return bavail * bsize
        },
        allowPrivate: flags.allowPrivate || isPrivateAddress(flags.from),
        ca: flags.ca === undefined ? undefined : await readFile(flags.ca, 'utf8'),
      },
    )
    progress?.end()
    if (flags.json) console.log(JSON.stringify(outcome))
    else if (!flags.quiet) console.log(describe(outcome))
    return 0
  } catch (error) {
    progress?.end()
    const { message, reason } = error as Error & { reason?: string }
    if (flags.json) console.log(JSON.stringify({ outcome: 'failed', reason: reason ?? 'unexpected', message }))
    // The message may hold words of the other side.
    console.error(`replicate: ${clean(message)}`)
    return 1
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeListener(signal, onSignal)
  }
}

/** A root is given by a file of it or by the digest of the first one. */
async function readRoot(text: string): Promise<Uint8Array | string> {
  if (/^sha256:[0-9a-fA-F]{64}$/.test(text)) return text.toLowerCase()
  const content = await readFile(text)
  if (content.length > maxRootBytes) throw new Error(`${text} is no root.json: it is larger than ${maxRootBytes} bytes`)
  return content
}

/** Whoever names such an address outright means it. */
function isPrivateAddress(from: string): boolean {
  const { hostname: host } = new URL(from)
  return (
    host === 'localhost' || /^(127|10|192\.168|172\.(1[6-9]|2\d|3[01]))\./.test(host) || /^\[(::1\]|f[cd])/.test(host)
  )
}

function describe(outcome: ReplicateOutcome): string {
  const { channel, generation, files, bytes, damaged, deleted, strays, believed } = outcome
  const changes = [
    files > 0 && `${files} files with ${byteText(bytes)} fetched`,
    damaged > 0 && `${damaged} damaged ones replaced`,
    deleted > 0 && `${deleted} old ones deleted`,
    strays > 0 && `${strays} that no list names left alone (see --prune)`,
  ].filter((part) => part !== false)
  const said = changes.length > 0 ? changes.join(', ') : 'nothing to fetch'
  const note = believed
    ? `\nThe source was believed about its root, ${believed}: ask the operator whether it is theirs.`
    : ''
  return `${channel} generation ${generation}: ${said}.${note}`
}
