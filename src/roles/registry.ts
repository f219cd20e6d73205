import { isLoopbackHost } from '#config/config.ts'
import { listenNode } from '#http/serve-node.ts'
import { BytesCache } from '#kit/bytes-cache.ts'
import { registryHandler } from '#stages/push/answer-registry.ts'
import { addressOf, blockCheckMaker, type Resources, registryService } from './resources.ts'
import type { Role } from './role.ts'
import { withProbes } from './with-probes.ts'

const manifestMemoryBytes = 32 << 20

export async function startRegistry(resources: Resources): Promise<Role> {
  const { config, log } = resources
  const { settings } = config
  const { host, port } = config.listen.registry
  let isStopping = false
  const notReady = () => (isStopping ? 'stopping' : undefined)
  // The realm names a port that is known only once the listener has it.
  let handler: ReturnType<typeof registryHandler> = () => ({ status: 503, headers: {} })
  const listener = await listenNode((ask) => handler(ask), {
    host,
    port,
    tls: config.tls,
    stallMs: settings.stall,
    log: (error) => log.error({ err: error }, 'a request to the registry failed'),
  })
  handler = withProbes(
    registryHandler({
      ...resources,
      tokens: resources.registryTokens,
      channel: config.candidateChannel,
      blockChecks: blockCheckMaker(resources),
      manifestBytes: new BytesCache(manifestMemoryBytes),
      limits: { maxManifestBytes: settings.maxManifestBytes, maxDescriptors: settings.maxDescriptors },
      realm: `${addressOf(config, 'registry', listener.port)}/token`,
      service: registryService,
      tokenLifetimeMs: settings.tokenLifetime,
      maxPageSize: settings.maxPageSize,
      maxTagsPerPut: settings.maxTagsPerPut,
      isLoopback: isLoopbackHost(host),
    }),
    notReady,
  )
  return {
    name: 'registry',
    listeners: { registry: listener },
    notReady,
    async stop() {
      isStopping = true
      await listener.stop(settings.drain)
    },
  }
}
