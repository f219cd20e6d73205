import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from '#config/config.ts'
import { listen } from '#http/serve-bun.ts'
import { answerTree } from '#stages/pull/answer-tree.ts'
import type { Role } from './role.ts'
import { withProbes } from './with-probes.ts'

export async function startOrigin(config: Config, log: Logger): Promise<Role> {
  const { settings } = config
  const { host, port } = config.listen.origin
  let isStopping = false
  const notReady = () => (isStopping ? 'stopping' : undefined)
  const folderOf = (channel: string) => join(config.tree, channel)
  const others = settings.publicChannels.filter((channel) => channel !== config.publicChannel)
  const handler = answerTree({
    folder: folderOf(config.publicChannel),
    channelFolders: new Map(others.map((channel) => [channel, folderOf(channel)])),
  })
  const listener = listen(withProbes(handler, notReady), {
    host,
    port,
    tls: config.tls,
    stallMs: settings.stall,
    maxBodyBytes: 0,
    log: (error) => log.error({ err: error }, 'a request to the origin failed'),
  })
  return {
    name: 'origin',
    listeners: { origin: listener },
    notReady,
    async stop() {
      isStopping = true
      await listener.stop(settings.drain)
    },
  }
}
