// A front door in stream mode before two hosts and an origin, which break as a test says: a near host, which is asked first, and a far one.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Answer, StoredBody } from '#http/answer.ts'
import { answerFront } from '#stages/redirect/answer-front.ts'
import { type StreamOptions, streamDefaults } from '#stages/redirect/blob-streams.ts'
import type { ClientRule } from '#stages/redirect/client-kind.ts'
import type { FrontOptions, FrontParts } from '#stages/redirect/front-door.ts'
import { type BreakingHost, good, startBreakingHost } from './breaking-host.ts'
import { digestOf, type FrontFixture, layer, makeAsk, openFront, placed } from './front-door.ts'

export const nearNetwork = '192.0.2.0/24'
const ip = '192.0.2.7'
const everybody: readonly ClientRule[] = [{ product: '*', kind: 'normal', mode: 'stream' }]
/** A test of silence is short, and a busy machine is not taken for silence. The layer is sent as it comes, as large ones are. */
const quick = { firstByteMs: 1_000, stallMs: 1_000, wholeBytes: 0 }

export type StreamSettings = {
  readonly streams?: Partial<StreamOptions>
  readonly options?: Partial<FrontOptions>
  readonly parts?: Partial<FrontParts>
  readonly grade?: 'gold' | 'proven'
}

export type StreamHosts = AsyncDisposable & {
  readonly near: BreakingHost
  readonly far: BreakingHost
  readonly origin: BreakingHost
  /** All are good again, and nothing was asked of them. */
  reset(): void
  open(settings?: StreamSettings): Promise<FrontFixture>
}

export async function startStreamHosts(): Promise<StreamHosts> {
  const folder = await mkdtemp(join(tmpdir(), 'stream-'))
  const near = await startBreakingHost(layer)
  const far = await startBreakingHost(layer)
  const origin = await startBreakingHost(layer)
  const all = [near, far, origin]
  return {
    near,
    far,
    origin,
    reset() {
      for (const host of all) {
        host.how = good
        host.ranges.length = host.heads.length = 0
      }
    },
    async open({ streams, options, parts, grade = 'gold' } = {}) {
      const fixture = await openFront(folder, {
        options: { clientRules: everybody, streams: { ...streamDefaults, ...quick, ...streams }, ...options },
        ...(parts && { parts }),
      })
      fixture.fleet([placed(1, near.url, { grade, netblocks: [nearNetwork] }), placed(2, far.url, { grade })])
      return fixture
    },
    async [Symbol.asyncDispose]() {
      for (const host of all) await host[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A client of the near host's network asks for the layer. */
export async function askForLayer({ front }: FrontFixture, headers: Record<string, string> = {}): Promise<Answer> {
  return await answerFront(
    makeAsk(`/v2/fedora/base/blobs/${digestOf(layer)}`, { 'x-forwarded-for': ip, ...headers }),
    front,
  )
}

/** What a client got before the cut; an error when there was none. */
export async function readToCut({ body }: Answer): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  try {
    for await (const chunk of (body as StoredBody).stream()) chunks.push(chunk)
  } catch {
    return Buffer.concat(chunks)
  }
  throw new Error('it was not cut')
}

/** `kind host` of each piece of evidence. */
export function kindsOf({ evidence }: FrontFixture): readonly string[] {
  return evidence.map(({ kind, hostId }) => `${kind} ${hostId}`)
}
