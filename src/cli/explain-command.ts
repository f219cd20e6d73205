// explain: what the front door would answer to a request now, and why.

import { Command, Option } from 'commander'
import { print, shortDigest, table } from './print.ts'
import type { Connect } from './release-commands.ts'
import { wholeNumber } from './whole-number.ts'

type Named = { readonly name: string; readonly site: string }
type ExplainedBlob = {
  readonly step: string
  readonly answer: string
  readonly decision: string
  readonly digest: string
  readonly client: {
    readonly address: string
    readonly country?: string
    readonly kind: string
    readonly isTls: boolean
  }
  readonly isFleetFresh: boolean
  readonly candidates: readonly {
    readonly name: string
    readonly url: string
    readonly state: string
    readonly isTried: boolean
    readonly tier: string
    readonly distanceKm?: number
    /** False: it is busy with what it was given. */
    readonly hasRoom: boolean
  }[]
  readonly hosts?: {
    readonly tiers: readonly {
      readonly tier: string
      readonly of: string
      readonly hosts: readonly (Named & { readonly share: number })[]
    }[]
    readonly leftOut: readonly (Named & { readonly reason: string })[]
  }
}
type ExplainedImage = {
  readonly reference: string
  readonly manifest: ExplainedBlob
  readonly blobs: readonly ExplainedBlob[]
}

/** Of the world there may be a thousand. */
const mostNames = 8

export function explainCommand(connect: Connect): Command {
  return new Command('explain')
    .description('what the front door would answer to a request now, and why')
    .requiredOption('--ip <address>', 'who asks')
    .option('--digest <digest>', 'for which blob')
    .option('--ref <reference>', 'or for the manifest and the blobs of an image')
    .option('--agent <text>', 'its User-Agent, which decides how much it can bear')
    .option('--range <range>', 'its Range header, as bytes=1048576-')
    .addOption(new Option('--method <method>').choices(['GET', 'HEAD']).default('GET'))
    .option('--tls', 'it comes over TLS; always so where the public address of the front door is https')
    .option('--seed <ms>', 'decide for this time, to see the same again', wholeNumber)
    .action(async ({ ip, digest, ref, agent, range, method, tls, seed }, command: Command) => {
      if ((digest === undefined) === (ref === undefined)) command.error('error: name either a --digest or a --ref')
      const { client, output } = connect()
      const query = { ip, digest, ref, seed, agent, range, method, tls: tls === true ? 'true' : undefined }
      const found = await client.get<ExplainedBlob | ExplainedImage>('/api/v1/explain', query)
      const explained = 'blobs' in found ? [found.manifest, ...found.blobs] : [found]
      print(output, found, () => explained.map(describe).join('\n'))
    })
}

function describe({ digest, client, step, decision, answer, isFleetFresh, candidates, hosts }: ExplainedBlob): string {
  const who = `${client.address} (${client.country ?? 'no country'}, ${client.kind} client, ${client.isTls ? 'https' : 'http'})`
  const head = `${shortDigest(digest)} for ${who}\n  ${step}: ${answer}\n  Flotilla-Decision: ${decision}\n`
  if (!hosts) return head
  const stale = isFleetFresh ? '' : '  the snapshots of the hosts are old: each is probed before it is used\n'
  const inOrder = table(
    ['CANDIDATE', 'ADDRESS', 'TIER', 'KM', 'PROOF', 'HAD IT'],
    candidates.map(({ name, url, tier, distanceKm, state, hasRoom, isTried }) => {
      return [name, url, tier, distanceKm, hasRoom ? state : `${state}, busy`, isTried ? 'a moment ago' : 'no']
    }),
    '  no host suits',
  )
  const near = table(
    ['TIER', 'OF', 'HOSTS'],
    hosts.tiers.map(({ tier, of, hosts: inTier }) => [tier, of, namesOf(inTier)]),
    '  no tier has a host',
  )
  const leftOut = table(
    ['LEFT OUT', 'WHY'],
    hosts.leftOut.map(({ name, reason }) => [name, reason]),
    '  no host is left out',
  )
  return `${head}${stale}${inOrder}${near}${leftOut}`
}

function namesOf(hosts: readonly (Named & { readonly share: number })[]): string {
  const shown = hosts.slice(0, mostNames).map(({ name, share }) => `${name} ${Math.round(share * 100)} %`)
  return hosts.length > mostNames ? `${shown.join(', ')}, and ${hosts.length - mostNames} more` : shown.join(', ')
}
