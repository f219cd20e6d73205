// The front door of kit/front-door.ts behind its own listener, with one host that holds everything: asked by the byte.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Listener } from '#http/listener.ts'
import type { WireOptions } from '#http/wire/acceptor.ts'
import { listenWire } from '#http/wire/listen-wire.ts'
import { answerFront } from '#stages/redirect/answer-front.ts'
import {
  digestOf,
  type FaultyHost,
  type FrontFixture,
  manifest,
  openFront,
  placed,
  startHost,
  tags,
} from './front-door.ts'
import { openWire, type WireAnswer } from './wire.ts'

/** What it serves, as tests ask for it. */
export const base = '/v2/fedora/base'
export const blob = (bytes: Uint8Array) => `${base}/blobs/${digestOf(bytes)}`
export const etag = (bytes: Uint8Array) => `"${digestOf(bytes)}"`
export const other = `"${digestOf('other')}"`
export const byTag = `${base}/manifests/${tags[0]}`
export const byDigest = `${base}/manifests/${digestOf(manifest)}`
export const referrers = `${base}/referrers/${digestOf(manifest)}`

type Asking = { readonly method?: string; readonly version?: '1.0' | '1.1' }

export type FrontListener = AsyncDisposable & {
  readonly host: FaultyHost
  readonly fixture: FrontFixture
  readonly listener: Listener
  readonly logged: unknown[]
  /** One request, with these header lines, of a client that was never here. */
  ask(target: string, lines?: readonly string[], asking?: Asking): Promise<WireAnswer>
}

export async function openFrontListener(options: Partial<WireOptions> = {}): Promise<FrontListener> {
  const folder = await mkdtemp(join(tmpdir(), 'front-listener-'))
  const host = await startHost()
  const fixture = await openFront(folder)
  fixture.fleet([placed(1, host.url, { ticket: 'query', country: 'CZ' })])
  const logged: unknown[] = []
  const log = (error: unknown) => void logged.push(error)
  const handler = (ask: Parameters<typeof answerFront>[0]) => answerFront(ask, fixture.front)
  const listener = listenWire(handler, { host: '127.0.0.1', port: 0, log, ...options })
  let clients = 0
  return {
    host,
    fixture,
    listener,
    logged,
    async ask(target, lines = [], { method = 'GET', version = '1.1' } = {}) {
      await using wire = await openWire(listener)
      const client = `X-Forwarded-For: 10.${(++clients >> 8) & 255}.${clients & 255}.9`
      await wire.send([`${method} ${target} HTTP/${version}`, 'Host: x', client, ...lines, '', ''].join('\r\n'))
      return await wire.receive(method)
    },
    async [Symbol.asyncDispose]() {
      await listener.stop(0)
      await host.stop()
      await fixture.outbound[Symbol.asyncDispose]()
      await rm(folder, { recursive: true })
    },
  }
}
