// The options of `flotilla replicate`, and how their texts become settings.

import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { type Command, InvalidArgumentError, Option } from 'commander'

/** How texts become values, and what a text may be: the option table's kinds have this shape. */
type Kind<T> = { readonly takes: string; parse(text: string): T | undefined; format(value: T): string }
export type ReplicateKinds = {
  readonly bytes: Kind<number>
  readonly duration: Kind<number>
  readonly integer: Kind<number>
}

type TimeWindow = { readonly fromMinute: number; readonly toMinute: number }
export type ReplicateParsers = {
  readonly parseWindow: (text: string) => TimeWindow | undefined
  readonly isPlatform: (text: string) => boolean
  readonly parseProxy: (text: string) => string | undefined
  readonly tokenProblem: (text: string) => string | undefined
}

export type Flags = {
  readonly from: readonly string[]
  readonly to: string
  readonly name: string
  readonly root?: string
  readonly connections: number
  readonly every?: number
  readonly check?: boolean
  readonly checkRate: number
  readonly checkTime: number
  readonly prune?: boolean
  readonly minFree: number
  readonly limitRate: number
  readonly window?: readonly (TimeWindow & { bytesPerSecond: number | undefined })[]
  readonly outsideRate: number
  readonly grace: number
  readonly patience: number
  readonly cap?: number
  readonly repository?: readonly string[]
  readonly platform?: readonly string[]
  readonly minSize: number
  readonly maxSize?: number
  readonly proxy?: string
  readonly '4'?: boolean
  readonly '6'?: boolean
  readonly allowPrivate?: boolean
  readonly ca?: string
  readonly onUpdate?: string
  readonly onFailure?: string
  readonly hookTime: number
  readonly checkIn?: string
  readonly tokenFile?: string
  readonly json?: boolean
  readonly log?: 'json'
  readonly quiet?: boolean
}

const maxConnections = 16
const standardCheckRate = 20 * 2 ** 20
/** A server may take a slower reader for a dead one. */
const leastRate = 128 * 1024
const hourMs = 3_600_000

export function addReplicateOptions(command: Command, kinds: ReplicateKinds, parsers: ReplicateParsers): Command {
  const { bytes, duration } = kinds
  const rate = (text: string) => {
    const value = parserOf(bytes)(text)
    if (value !== 0 && value < leastRate) throw new InvalidArgumentError('It takes 128KiB or more, or 0.')
    return value
  }
  const connections = (text: string) => {
    const value = parserOf(kinds.integer)(text)
    if (value < 1 || value > maxConnections) throw new InvalidArgumentError(`It takes 1 to ${maxConnections}.`)
    return value
  }
  const window = (text: string) => {
    const [times, limit, ...more] = text.split('/')
    const parsed = parsers.parseWindow(times!)
    if (!parsed || more.length > 0) throw new InvalidArgumentError('It takes HH:MM-HH:MM, or that with /RATE.')
    return { ...parsed, bytesPerSecond: limit === undefined ? undefined : rate(limit) }
  }
  const sized = (flag: string, help: string, kind: Kind<number>, standard: number) =>
    new Option(flag, help).argParser(parserOf(kind)).default(standard, kind.format(standard))
  const optional = (flag: string, help: string, kind: Kind<number>) => new Option(flag, help).argParser(parserOf(kind))
  const many = <T>(flag: string, help: string, parse: (text: string) => T) =>
    new Option(flag, help).argParser((text, before: T[] = []) => [...before, parse(text)])
  const unlimited = (flag: string, help: string, words: string) =>
    new Option(flag, help).argParser(rate).default(0, words)

  return command
    .addOption(
      many('--from <url>', 'address of the published tree (http or https); several share the work', parseTreeUrl),
    )
    .option('--to <folder>', 'the copy; any web server or rsync daemon can serve it')
    .option('--name <host>', 'what this host calls itself in trace/', hostname().toLowerCase())
    .option(
      '--root <file|sha256:hex>',
      "the publisher's 1.root.json, or its digest; without it the first run believes the source",
      rootOf,
    )
    .addOption(
      optional('--every <time>', 'stay, and look for news so often (sooner where the source says so)', duration),
    )
    .addOption(
      new Option('--connections <n>', `files at once, 1 to ${maxConnections}`).argParser(connections).default(4),
    )
    .addOption(
      unlimited('--limit-rate <rate>', 'bytes a second over all connections, like 20MiB; 0: no limit', 'no limit'),
    )
    .addOption(many('--window <times>', 'HH:MM-HH:MM[/RATE], local time: blobs are fetched then only', window))
    .addOption(unlimited('--outside-rate <rate>', 'bytes a second outside all windows; 0: nothing', 'nothing'))
    .addOption(sized('--min-free <size>', 'space on the disk to leave free', bytes, 2 ** 30))
    .addOption(sized('--grace <time>', 'how long to keep what left the list', duration, 24 * hourMs))
    .addOption(
      sized('--patience <time>', 'how long a file may be put off by sources that are busy', duration, 6 * hourMs),
    )
    .addOption(optional('--cap <size>', 'keep what is pulled most, up to so much in all', bytes))
    .addOption(many('--repository <glob>', 'only these repositories, like fedora/* (several)', String))
    .addOption(many('--platform <os/arch>', 'only images of these, like linux/amd64 (several)', platformOf(parsers)))
    .addOption(new Option('--min-size <size>', 'no smaller blobs').argParser(parserOf(bytes)).default(0, 'any'))
    .addOption(optional('--max-size <size>', 'no larger blobs', bytes))
    .option('--check', 'read the files again and replace what is damaged; goes on where the last time ended')
    .addOption(sized('--check-rate <rate>', 'bytes a second for reading; 0: no limit', bytes, standardCheckRate))
    .addOption(
      new Option('--check-time <time>', 'end the reading after so long')
        .argParser(parserOf(duration))
        .default(0, 'when all is read'),
    )
    .option('--prune', 'also let blobs go that no list ever named')
    .option(
      '--proxy <url>',
      'http proxy for everything; else HTTPS_PROXY, http_proxy and NO_PROXY count',
      proxyOf(parsers),
    )
    .addOption(new Option('-4', 'speak IPv4 only').conflicts('6'))
    .option('-6', 'speak IPv6 only')
    .option('--allow-private', 'let addresses lead to private networks, redirects too')
    .option('--ca <file>', 'certificate authorities (PEM) to believe besides the known ones')
    .option(
      '--on-update <command>',
      'for sh, after new blobs have come: FLOTILLA_GENERATION, _CHANNEL, _TO, _OUTCOME are set',
    )
    .option('--on-failure <command>', 'for sh, after a run that failed; FLOTILLA_OUTCOME says why')
    .addOption(sized('--hook-time <time>', 'end such a command after so long', duration, 5 * 60_000))
    .option('--check-in <url>', 'tell this control API after each run', parseTreeUrl)
    .option('--token-file <file>', "the host's token, for --check-in; it signs the trace too")
    .option('--json', 'print the outcome as JSON')
    .addOption(new Option('--log <form>', 'print what happens, a line each, to the error output').choices(['json']))
    .option('--quiet', 'print errors only')
}

function parserOf<T>(kind: Kind<T>): (text: string) => T {
  return (text) => {
    const value = kind.parse(text)
    if (value === undefined) throw new InvalidArgumentError(`It takes ${kind.takes}.`)
    return value
  }
}

function rootOf(text: string): string {
  if (text.startsWith('sha256:') && !fingerprintPattern.test(text))
    throw new InvalidArgumentError('It takes a file, or sha256: and the 64 hex digits of its digest.')
  return text
}

/** What is missing or has no effect; undefined: nothing. */
export function flagProblem(command: Command): string | undefined {
  const isGiven = (name: string) => command.getOptionValueSource(name) === 'cli'
  if (!isGiven('from')) return "required option '--from <url>' not specified"
  if (!isGiven('to')) return "required option '--to <folder>' not specified"
  if (isGiven('checkIn') !== isGiven('tokenFile')) return '--check-in and --token-file go together'
  if ((isGiven('checkTime') || isGiven('checkRate')) && !isGiven('check'))
    return '--check-time and --check-rate go with --check'
  if (isGiven('outsideRate') && !isGiven('window')) return '--outside-rate goes with --window'
  return undefined
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

function platformOf({ isPlatform }: ReplicateParsers) {
  return (text: string) => {
    if (!isPlatform(text)) throw new InvalidArgumentError('It takes os/architecture[/variant], like linux/arm64.')
    return text
  }
}

function proxyOf({ parseProxy }: ReplicateParsers) {
  return (text: string) => {
    const proxy = parseProxy(text)
    if (proxy === undefined) throw new InvalidArgumentError('It takes an http or https address.')
    return proxy
  }
}

const fingerprintPattern = /^sha256:[0-9a-fA-F]{64}$/
const maxRootBytes = 256 * 1024

/** A root is given by a file of it or by the digest of the first one. */
export async function readRoot(text: string): Promise<Uint8Array | string> {
  if (fingerprintPattern.test(text)) return text.toLowerCase()
  const content = await readFile(text)
  if (content.length > maxRootBytes) throw new Error(`${text} is no root.json: it is larger than ${maxRootBytes} bytes`)
  return content
}

/** Whoever names such an address outright means it. */
export function isPrivateAddress(from: string): boolean {
  const { hostname: host } = new URL(from)
  return (
    host === 'localhost' || /^(127|10|192\.168|172\.(1[6-9]|2\d|3[01]))\./.test(host) || /^\[(::1\]|f[cd])/.test(host)
  )
}
