// check-in: for the admins of hosts whose copy is made by a script.

import { hostname } from 'node:os'
import { Command } from 'commander'
import type { ApiClient } from '#api/client.ts'
import { clean, print } from './print.ts'
import type { Connect } from './release-commands.ts'
import { wholeNumber } from './whole-number.ts'

/** What is said of a copy in a folder; the shapes meet by structure. */
type TraceSettings = {
  readonly tree: string
  readonly host: string
  readonly generation: number | undefined
  readonly channel: string | undefined
}
type FoundCopy = {
  readonly channel: string
  readonly generation: number
  readonly isPartial: boolean
  readonly unsigned?: string
}
export type WriteTrace = (settings: TraceSettings) => Promise<FoundCopy | { readonly problem: string }>

export type CheckIn = {
  readonly host: string
  readonly channel: string
  readonly generation: number
  readonly source: string
  readonly at: string
  readonly state: 'claimed' | 'accepted' | 'refused'
  readonly provenGeneration?: number
  readonly reason?: string
  readonly faults?: readonly { readonly url: string; readonly expected: string; readonly came: string }[]
}

type Flags = {
  readonly host?: string
  readonly tree?: string
  readonly generation?: number
  readonly channel?: string
  readonly traceOnly: boolean
  readonly wait: boolean
  readonly waitLimit: number
}

const pollMs = 500

export function checkInCommand(connect: Connect, writeTrace: WriteTrace): Command {
  return new Command('check-in')
    .description('say that a copy is complete; it is verified, never believed')
    .argument('[host]', 'the same as --host')
    .option('--host <host>', "its registered name; default: this machine's")
    .option('--tree <folder>', 'the copy: its trace is written too, signed by FLOTILLA_TOKEN')
    .option('--generation <n>', 'what was copied; default: what the copy itself says', wholeNumber)
    .option('--channel <channel>', 'default: what the copy says, or else the one that the front door serves')
    .option('--trace-only', 'write the trace and call nobody: the next crawl reads it', false)
    .option('--wait', 'wait until a crawl has accepted or refused it', false)
    .option('--wait-limit <seconds>', 'for no longer than this', wholeNumber, 600)
    .action(async (named: string | undefined, flags: Flags, command: Command) => {
      const wrong = findMisuse(named, flags)
      if (wrong) command.error(`error: ${wrong}`)
      const host = flags.host ?? named ?? hostname().toLowerCase()
      if (!(await run(host, flags, connect, writeTrace))) process.exitCode = 1
    })
}

function findMisuse(named: string | undefined, flags: Flags): string | undefined {
  if (named !== undefined && flags.host !== undefined && named !== flags.host) return 'name the host once'
  if (flags.traceOnly && flags.tree === undefined) return '--trace-only needs a --tree to write it to'
  if (flags.traceOnly && flags.wait) return '--wait needs the API, which --trace-only does not call'
  if (flags.tree === undefined && flags.generation === undefined) return 'give --tree or --generation'
  return flags.generation === 0 ? 'a --generation is 1 or more' : undefined
}

/** False: refused, or not done. */
async function run(host: string, flags: Flags, connect: Connect, writeTrace: WriteTrace): Promise<boolean> {
  const { tree, generation, channel } = flags
  const said = { tree, host, generation, channel }
  const trace = tree === undefined ? undefined : await writeTrace({ ...said, tree })
  if (trace && 'problem' in trace) return complain(trace.problem)
  if (trace?.unsigned !== undefined && flags.traceOnly) return complain(`no trace is written: ${trace.unsigned}`)
  const { client, output } = connect()
  if (flags.traceOnly) {
    const words = () =>
      `trace/${host} says generation ${trace!.generation} of ${trace!.channel}; the next crawl reads it.\n`
    print(output, { host, ...trace }, words)
    return true
  }
  const path = `/api/v1/hosts/${encodeURIComponent(host)}/check-ins`
  const answer = await client.post<{ checkIn: CheckIn }>(path, {
    generation: generation ?? trace?.generation,
    channel: channel ?? trace?.channel,
    isPartial: trace?.isPartial ?? false,
  })
  if (trace?.unsigned !== undefined) complain(`no trace is written: ${trace.unsigned}`)
  const checkIn = flags.wait ? await waitFor(answer.checkIn, path, client, flags.waitLimit) : answer.checkIn
  print(output, checkIn, () => describe(checkIn))
  if (flags.wait && checkIn.state === 'claimed') return complain(`no crawl has decided it within ${flags.waitLimit} s`)
  return checkIn.state !== 'refused'
}

function complain(problem: string): false {
  console.error(`flotilla: ${clean(problem)}`)
  return false
}

async function waitFor(made: CheckIn, path: string, client: ApiClient, limitSeconds: number): Promise<CheckIn> {
  const endMs = performance.now() + limitSeconds * 1000
  for (let last = made; ; ) {
    if (last.state !== 'claimed' || performance.now() >= endMs) return last
    await new Promise((resolve) => setTimeout(resolve, pollMs))
    const { checkIns } = await client.get<{ checkIns: CheckIn[] }>(path, { channel: made.channel, limit: 200 })
    last = checkIns.find((one) => one.at === made.at) ?? last
  }
}

function describe({ host, channel, generation, state, reason, faults = [] }: CheckIn): string {
  const what = `generation ${generation} of ${channel} at ${host}`
  if (state === 'claimed')
    return `Thank you: ${what} is claimed; a crawl accepts or refuses it (see: flotilla host show ${host}).\n`
  const evidence = faults
    .map((one) => `  ${one.url}\n    expected ${one.expected}\n    came     ${one.came}\n`)
    .join('')
  return `${what} is ${state}: ${reason ?? ''}\n${state === 'refused' ? evidence : ''}`
}
