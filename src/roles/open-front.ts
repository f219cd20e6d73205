// A front door's decision without its listener: the front door role puts one before it, the manager asks it to explain itself.

import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { openBlobFile } from '#blobs/disk/open-blob-file.ts'
import type { Config } from '#config/config.ts'
import { ConfigError } from '#config/load-config.ts'
import { clientAddressReader } from '#http/client-address.ts'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { parseCidr } from '#kit/address.ts'
import { createFileAtomically, makeFolder } from '#kit/atomic-file.ts'
import { bundledCountryFile, openPlaces } from '#snapshots/places.ts'
import { type ClientRule, parseClientRules } from '#stages/redirect/client-kind.ts'
import type { ReportEvidence } from '#stages/redirect/evidence.ts'
import { FrontDoor, frontDefaults } from '#stages/redirect/front-door.ts'
import { followSnapshots } from './follow-snapshots.ts'

export type OpenFront = AsyncDisposable & {
  readonly front: FrontDoor
  /** Looks for news now. */
  followNow(): Promise<void>
}

export type FrontSurroundings = {
  /** Copies of the snapshots, of this process alone. */
  readonly kept: string
  readonly report: ReportEvidence
  readonly originUrl: string | undefined
}

export async function openFront(
  config: Config,
  log: Logger,
  { kept, report, originUrl }: FrontSurroundings,
): Promise<OpenFront> {
  const { settings } = config
  const tree = join(config.tree, config.publicChannel)
  const { holder, follower } = await followSnapshots(config, log, kept)
  const outbound = new OutboundClient({
    allowPrivate: settings.allowPrivateHosts || settings.demo,
    userAgent: 'flotilla',
    ca: settings.hostCa === undefined ? undefined : await readFile(settings.hostCa, 'utf8'),
  })
  const countryFile = settings.countries === 'none' ? undefined : (settings.countries ?? bundledCountryFile())
  const front = new FrontDoor(
    {
      holder,
      places: await openPlaces({ countryFile, asnFile: undefined, countryOverrides: [] }),
      readClientAddress: clientAddressReader(settings.trustedProxies.map(requireCidr)),
      ticketKey: await ticketKey(config),
      report,
      now: Date.now,
      outbound,
      openBlob: (digest, range) => openBlobFile(tree, digest, range),
      random: Math.random,
    },
    {
      ...frontDefaults,
      choose: { ...frontDefaults.choose, allowHttpHosts: settings.allowHttpHosts },
      originUrl,
      isBehindTls: config.urls.frontdoor?.startsWith('https:') ?? config.tls !== undefined,
      clientRules:
        settings.clientPolicy === undefined ? frontDefaults.clientRules : await readClientRules(settings.clientPolicy),
    },
  )
  return {
    front,
    followNow: () => follower.runNow(),
    async [Symbol.asyncDispose]() {
      await follower.stop()
      await outbound[Symbol.asyncDispose]()
    },
  }
}

export function requireCidr(text: string) {
  const cidr = parseCidr(text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`)
  if (!cidr) throw new Error(`trusted-proxies: ${JSON.stringify(text)} is no network`)
  return cidr
}

/** One for all front doors of this folder: a host may send a client back to another one than it came from. */
async function ticketKey(config: Config): Promise<Uint8Array> {
  await makeFolder(config.keys, 0o700)
  const path = join(config.keys, 'ticket.key')
  await createFileAtomically(path, randomBytes(32), 0o600)
  return await readFile(path)
}

async function readClientRules(path: string): Promise<readonly ClientRule[]> {
  const text = await readFile(path, 'utf8')
  try {
    return parseClientRules(text)
  } catch (error) {
    throw new ConfigError(`client-policy: ${path}: ${(error as Error).message}`, { cause: error })
  }
}
