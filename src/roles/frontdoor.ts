// The front door: three snapshots followed from folders, bytes of the published tree, and nothing of the control plane.

import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { openBlobFile } from '#blobs/disk/open-blob-file.ts'
import type { Config } from '#config/config.ts'
import { clientAddressReader } from '#http/client-address.ts'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { listenWire } from '#http/wire/listen-wire.ts'
import { parseCidr } from '#kit/address.ts'
import { createFileAtomically, makeFolder } from '#kit/atomic-file.ts'
import { followDocument, parseDocument } from '#snapshots/follow-document.ts'
import { PublicationFollower } from '#snapshots/follow-publication.ts'
import { startFollower } from '#snapshots/follower.ts'
import type { HealthDocument } from '#snapshots/health.ts'
import { SnapshotHolder } from '#snapshots/holder.ts'
import type { PlacementDocument } from '#snapshots/placement.ts'
import { bundledCountryFile, openPlaces } from '#snapshots/places.ts'
import { keyPath } from '#snapshots/pointer.ts'
import { folderSource } from '#snapshots/snapshot-source.ts'
import { answerFront } from '#stages/redirect/answer-front.ts'
import type { ClientRule } from '#stages/redirect/client-kind.ts'
import type { ReportEvidence } from '#stages/redirect/evidence.ts'
import { FrontDoor, frontDefaults } from '#stages/redirect/front-door.ts'
import { type PublicKey, parsePublicKey } from '#trust/public-key.ts'
import { Verifier } from '#trust/verifier.ts'
import type { Role } from './role.ts'
import { withProbes } from './with-probes.ts'

const followEveryMs = 1000
const maxBackoffMs = 30_000
const maxPacks = 64

export type FrontdoorRole = Role & { readonly front: FrontDoor /** Looks for news now. */; followNow(): Promise<void> }

export async function startFrontdoor(
  config: Config,
  log: Logger,
  report: ReportEvidence,
  originUrl: string | undefined,
): Promise<FrontdoorRole> {
  const { settings } = config
  const tree = join(config.tree, config.publicChannel)
  const kept = join(config.data, 'frontdoor')
  await makeFolder(kept)
  const logError = (error: unknown) => log.warn({ err: error }, 'a snapshot was not taken; the one before stays')

  const holder = new SnapshotHolder(config.publicChannel)
  let verifier: Verifier | undefined
  const publication = await PublicationFollower.open({
    holder,
    source: folderSource(tree),
    folder: kept,
    // The first key that is seen is kept: a tree that shows another one later is refused.
    findSigner: (bytes, signatures) => verifier?.findSigner(bytes, signatures),
    log: logError,
    maxPacks,
  })
  const snapshots = folderSource(join(config.data, 'snapshots'))
  const documents = [
    await followDocument({
      source: snapshots,
      path: `${config.publicChannel}/placement.json`,
      copy: join(kept, 'placement.json'),
      take: (bytes) => holder.takePlacement(parseDocument<PlacementDocument>(bytes)),
      log: logError,
    }),
    await followDocument({
      source: snapshots,
      path: 'health.json',
      copy: join(kept, 'health.json'),
      take: (bytes) => holder.takeHealth(parseDocument<HealthDocument>(bytes)),
      log: logError,
    }),
  ]
  const follower = startFollower(
    async () => {
      verifier ??= await openVerifier(tree, kept)
      if (verifier) await publication.step()
      for (const step of documents) await step()
    },
    { intervalMs: followEveryMs, maxBackoffMs, random: Math.random, log: logError },
  )
  await follower.runNow()

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
      ticketKey: await ticketKey(kept),
      report,
      now: Date.now,
      outbound,
      openBlob: (digest, range) => openBlobFile(tree, digest, range),
      random: Math.random,
    },
    {
      ...frontDefaults,
      originUrl,
      isBehindTls: config.urls.frontdoor?.startsWith('https:') ?? config.tls !== undefined,
      clientRules:
        settings.clientPolicy === undefined ? frontDefaults.clientRules : await readClientRules(settings.clientPolicy),
    },
  )

  const { host, port } = config.listen.frontdoor
  let isStopping = false
  const notReady = () => (isStopping ? 'stopping' : holder.current.publication ? undefined : 'nothing is published yet')
  const listener = listenWire(
    withProbes((ask) => answerFront(ask, front), notReady),
    {
      host,
      port,
      tls: config.tls,
      log: (error) => log.error({ err: error }, 'a request to the front door failed'),
    },
  )
  return {
    name: 'frontdoor',
    front,
    listeners: { frontdoor: listener },
    notReady,
    followNow: () => follower.runNow(),
    async stop() {
      isStopping = true
      await listener.stop(settings.drain)
      await follower.stop()
      await outbound[Symbol.asyncDispose]()
    },
  }
}

function requireCidr(text: string) {
  const cidr = parseCidr(text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`)
  if (!cidr) throw new Error(`trusted-proxies: ${JSON.stringify(text)} is no network`)
  return cidr
}

/** The key of the tree as it was seen first. */
async function openVerifier(tree: string, kept: string): Promise<Verifier | undefined> {
  const path = join(kept, 'key.json')
  const known = await readKey(path)
  const key = known ?? (await readKey(join(tree, keyPath)))
  if (!key) return undefined
  if (!known) await createFileAtomically(path, await readFile(join(tree, keyPath)), 0o644)
  return new Verifier([key])
}

async function readKey(path: string): Promise<PublicKey | undefined> {
  try {
    return parsePublicKey(await readFile(path, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function ticketKey(kept: string): Promise<Uint8Array> {
  const path = join(kept, 'ticket.key')
  await createFileAtomically(path, randomBytes(32), 0o600)
  return await readFile(path)
}

async function readClientRules(path: string): Promise<readonly ClientRule[]> {
  const rules: unknown = JSON.parse(await readFile(path, 'utf8'))
  const isRule = (one: unknown) => typeof one === 'object' && one !== null && 'product' in one && 'kind' in one
  if (!Array.isArray(rules) || !rules.every(isRule)) {
    throw new Error(`client-policy: ${path} must be a list of {"product", "kind", "from"?, "below"?, "without"?}`)
  }
  return rules as ClientRule[]
}
