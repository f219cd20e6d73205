// One client with a relay of its own, that pulls one cell after the other. After a pull that failed it begins anew: docker's daemon goes
// on with a transfer that nobody waits for, and containerd keeps what a failed one left and begins the next with it.

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { startContainerd } from '../../kit/clients/containerd.ts'
import { makeBuildah, makePodman, makeSkopeo } from '../../kit/clients/containers-image.ts'
import { startDocker } from '../../kit/clients/docker.ts'
import type { ClientOptions, PullClient } from '../../kit/clients/image-client.ts'
import { FrontRelay, type RelayHooks, type RelayLog } from './front-relay.ts'
import { largeBytes, type MatrixFleet, repository } from './matrix-fleet.ts'

export type ClientName = 'docker' | 'docker, classic store' | 'podman' | 'skopeo' | 'buildah' | 'ctr' | 'crane' | 'oras'
export type Starter = (options: ClientOptions) => PullClient | Promise<PullClient>

/** Of this machine's packages. */
const starters = {
  docker: startDocker,
  podman: makePodman,
  skopeo: makeSkopeo,
  buildah: makeBuildah,
  ctr: startContainerd,
} as const satisfies Partial<Record<ClientName, Starter>>
export const clientNames = Object.keys(starters) as (keyof typeof starters)[]

export function starterOf(client: ClientName): Starter {
  const known: Partial<Record<ClientName, Starter>> = starters
  const starter = known[client]
  if (!starter) throw new Error(`${client} is not among this machine's clients`)
  return starter
}

export type PullOutcome = {
  readonly result: 'ok' | 'failed' | 'hang'
  readonly log: RelayLog
  readonly seconds: number
  /** What the client said when it failed. */
  readonly said: string
}

export class Lane implements AsyncDisposable {
  readonly client: ClientName
  readonly #start: () => Promise<PullClient>
  readonly #relay: FrontRelay
  readonly #fleet: MatrixFleet
  readonly #limitMs: number
  #running: PullClient | undefined

  constructor(client: ClientName, fleet: MatrixFleet, about: { folder: string; limitMs: number; start?: Starter }) {
    const frontUrl = fleet.flotilla.url('frontdoor')
    this.client = client
    this.#fleet = fleet
    this.#limitMs = about.limitMs
    this.#relay = new FrontRelay({ frontUrl, largeBytes, tls: fleet.authority })
    const start = about.start ?? starterOf(client)
    let count = 0
    this.#start = async () => {
      const folder = join(about.folder, `${count++}`)
      rmSync(folder, { recursive: true, force: true })
      const options = {
        folder,
        plainHttp: [],
        trust: fleet.authority.bundle,
        pullLimitMs: this.#limitMs,
      }
      return await start(options)
    }
  }

  /** Pulls the image anew as a client of that address. */
  async pull(clientAddress: string, hooks?: RelayHooks): Promise<PullOutcome> {
    const client = (this.#running ??= await this.#start())
    const log = this.#relay.begin(clientAddress, hooks)
    const startedMs = performance.now()
    const took = () => (performance.now() - startedMs) / 1000
    try {
      const got = await client.pull(`${this.#relay.host}/${repository}:latest`)
      const { config, manifest } = this.#fleet.image
      const isRight = got === config.digest || got === manifest.digest
      return { result: isRight ? 'ok' : 'failed', log, seconds: took(), said: isRight ? '' : `it has ${got}` }
    } catch (error) {
      const isHang = took() * 1000 >= this.#limitMs
      await this.#restart()
      return { result: isHang ? 'hang' : 'failed', log, seconds: took(), said: String(error) }
    }
  }

  async #restart(): Promise<void> {
    const client = this.#running
    this.#running = undefined
    await client?.[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#restart()
    await this.#relay[Symbol.asyncDispose]()
  }
}
