// A publisher, a copy of its tree, and a front door over the copy, in one process.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { makeConfig } from '#config/config.ts'
import { loadSettings } from '#config/load-config.ts'
import type { Digest } from '#oci/digest.ts'
import { type RunningCopy, runCopy } from '#roles/run-copy.ts'
import { copyTree } from './copy-tree.ts'
import { findFreePort } from './free-port.ts'
import { digestOf } from './published-tree.ts'
import { largeLayer, openReleaseLine, type ReleaseLine } from './release-line.ts'

export const layer = largeLayer('a layer that travels ', 2000)
export const layerDigest = digestOf(Buffer.from(layer))
export const smallDigest = digestOf(Buffer.from('small'))

type Logged = { readonly msg: string; readonly reason?: string; readonly advice?: string; readonly root?: string }

export class Campus implements AsyncDisposable {
  readonly root: string
  readonly line: ReleaseLine
  /** What is published, and the copy of it that is served. */
  readonly tree: string
  readonly copy: string
  readonly logged: Logged[] = []
  readonly #ports: { readonly frontdoor: number; readonly metrics: number }
  #running: RunningCopy | undefined

  private constructor(root: string, line: ReleaseLine, ports: { frontdoor: number; metrics: number }) {
    this.root = root
    this.line = line
    this.tree = line.treeOf('stable')
    this.copy = join(root, 'copy')
    this.#ports = ports
  }

  /** Generation 1 with `app:1`, copied. */
  static async make(): Promise<Campus> {
    const root = await mkdtemp(join(tmpdir(), 'campus-'))
    const line = await openReleaseLine(join(root, 'publisher'))
    const campus = new Campus(root, line, { frontdoor: await findFreePort(), metrics: await findFreePort() })
    await campus.release('1')
    await copyTree(campus.tree, campus.copy)
    return campus
  }

  async release(tag: string): Promise<Digest> {
    const digest = await this.line.push('app', { tags: [tag], layers: [layer, 'small'], note: tag })
    await this.line.promote([`app:${tag}`])
    await this.line.publish()
    return digest
  }

  async start(
    flags: Readonly<Record<string, string>> = {},
    names: readonly ('frontdoor' | 'origin')[] = ['frontdoor'],
  ): Promise<RunningCopy> {
    const log = pino({ level: 'info' }, { write: (text: string) => void this.logged.push(JSON.parse(text)) })
    const places = {
      data: join(this.root, 'data'),
      drain: '1s',
      frontdoorListen: `127.0.0.1:${this.#ports.frontdoor}`,
      metricsListen: `127.0.0.1:${this.#ports.metrics}`,
      originListen: '127.0.0.1:0',
    }
    const { settings } = loadSettings({ flags: { ...places, ...flags }, environment: {}, folder: this.root })
    this.#running = await runCopy(names, makeConfig(settings), this.copy, log)
    return this.#running
  }

  async stop(): Promise<void> {
    await this.#running?.[Symbol.asyncDispose]()
    this.#running = undefined
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.#ports.frontdoor}${path}`, { headers, redirect: 'manual' })
  }

  async statusOf(tag: string): Promise<number> {
    return (await this.get(`/v2/app/manifests/${tag}`)).status
  }

  async metrics(): Promise<string> {
    return await (await fetch(`http://127.0.0.1:${this.#ports.metrics}/metrics`)).text()
  }

  /** Why trees were refused, in order, as often as it was told. */
  get refusals(): string[] {
    return this.logged.flatMap(({ reason }) => (reason === undefined ? [] : [reason]))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    await this.line[Symbol.asyncDispose]()
    await rm(this.root, { recursive: true })
  }
}
