// What the roles of one process share, opened once and closed once.

import { join } from 'node:path'
import type { Logger } from 'pino'
import { Authenticator } from '#access/authenticate.ts'
import { RegistryTokens } from '#access/registry-token.ts'
import { hashSecret } from '#access/secrets.ts'
import { TokenKeys } from '#access/token-keys.ts'
import type { BlobStore } from '#blobs/blob-store.ts'
import { BlockKey } from '#blobs/block-key.ts'
import { DiskBlobStore } from '#blobs/disk/disk-blob-store.ts'
import { openPostgres } from '#catalogue/postgres/open-postgres.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { findToken } from '#catalogue/tokens.ts'
import type { Config, ListenerName } from '#config/config.ts'
import { repairLinks } from '#upkeep/repair-links.ts'
import { adminToken } from './first-start.ts'

export type Resources = AsyncDisposable & {
  readonly config: Config
  readonly log: Logger
  readonly now: () => number
  readonly catalogue: Catalogue
  readonly blobs: BlobStore
  readonly authenticator: Authenticator
  readonly registryTokens: RegistryTokens
  readonly tokenKeys: TokenKeys
  readonly treeOf: (channel: string) => string
  readonly blockKey: BlockKey
}

/** Registry tokens name the service they are for; it never changes, so that tokens outlive a change of address. */
const service = 'flotilla'
const maxPostgresConnections = 10

export async function openResources(config: Config, log: Logger): Promise<Resources> {
  const stack = new AsyncDisposableStack()
  try {
    const catalogue =
      config.cataloguePath.kind === 'sqlite'
        ? await openSqlite(config.cataloguePath.path)
        : await openPostgres(config.cataloguePath.url, { maxConnections: maxPostgresConnections })
    stack.defer(() => catalogue.destroy())
    const blobs = stack.use(await DiskBlobStore.open(config.blobs))
    const treeOf = (channel: string) => join(config.tree, channel)
    blobs.onRepair((digest, place) =>
      repairLinks(digest, { catalogue, place, publicChannels: config.settings.publicChannels, treeOf }),
    )
    const blockKey = await BlockKey.open(blockKeyPath(config))
    const tokenKeys = await TokenKeys.open(join(config.keys, 'token-keys.json'))
    const registryTokens = new RegistryTokens(tokenKeys, service)
    const now = Date.now
    const authenticator = new Authenticator({
      findToken: (by) => findToken(catalogue, by),
      adminSecretHash: hashSecret(await adminToken(config)),
      registryTokens,
      now,
    })
    const closing = stack.move()
    return {
      config,
      log,
      now,
      catalogue,
      blobs,
      authenticator,
      registryTokens,
      tokenKeys,
      treeOf,
      blockKey,
      [Symbol.asyncDispose]: () => closing.disposeAsync(),
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

export const registryService = service

/** The same on every machine of ours that pushes, probes or serves. */
export const blockKeyPath = (config: Config) => join(config.keys, 'block.key')

/** What pushes make block checks with. */
export function blockCheckMaker({ blockKey, config }: Pick<Resources, 'blockKey' | 'config'>) {
  return { key: blockKey, fromBytes: config.settings.smallBlobBytes }
}

/** The public address of a listener: as configured, else from where it listens. Never from a request. */
export function addressOf(config: Config, name: ListenerName, port: number): string {
  const configured = config.urls[name]
  if (configured !== undefined) return configured
  const { host } = config.listen[name]
  return `${config.tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`
}
