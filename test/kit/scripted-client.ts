// Registry clients reduced to what decides a pull: how often they ask, how long they wait between, what they take for an end. docker's
// classic store as its source has it (distribution/xfer/download.go, distribution/pull_v2.go), and one that never asks twice.

import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { type Exchange, exchange } from './client-exchange.ts'

export type ScriptedClient = {
  readonly userAgent: string
  /** docker: five attempts, each failed open asked twice at once, broken bodies resumed by Range; once: what fails has failed. */
  readonly manner: 'docker' | 'once'
  /** Sent as X-Forwarded-For: the front door under test trusts loopback. */
  readonly address: string
  /** docker's waits of 5, 10, 15 and 20 s are divided by this. */
  readonly haste: number
  readonly silenceMs: number
  readonly ca?: string | undefined
}

export type Wanted = {
  readonly frontUrl: string
  readonly path: string
  readonly digest: string
  readonly sizeBytes: number
}

/** One open as it went, for whoever wants to know what failed whom. */
export type Opened = {
  readonly askedMs: number
  /** Where the front door sent it; undefined: it answered itself. */
  readonly location: string | undefined
  /** When the front door had answered. */
  readonly toldMs: number
  readonly endedMs: number
  readonly status: number
  readonly end: Exchange['end']
}

export type Pulled = {
  readonly isWhole: boolean
  readonly why: string
  readonly hostBytes: number
  readonly frontBytes: number
  readonly opens: readonly Opened[]
}

export const dockerAgent =
  'docker/28.5.2 go/go1.24.8 kernel/6.12.0 os/linux arch/amd64 UpstreamClient(Docker-Client/28.5.2)'
const attempts = 5
const waitMs = 5_000
const maxRedirects = 10

export async function pullBlob(client: ScriptedClient, wanted: Wanted): Promise<Pulled> {
  const pull = new Pull(client, wanted)
  const why = await (client.manner === 'docker' ? pull.asDocker() : pull.once())
  return { isWhole: why === 'whole', why, hostBytes: pull.hostBytes, frontBytes: pull.frontBytes, opens: pull.opens }
}

class Pull {
  readonly #client: ScriptedClient
  readonly #wanted: Wanted
  readonly opens: Opened[] = []
  hostBytes = 0
  frontBytes = 0
  #received: Buffer = Buffer.alloc(0)

  constructor(client: ScriptedClient, wanted: Wanted) {
    this.#client = client
    this.#wanted = wanted
  }

  async once(): Promise<string> {
    const answer = await this.#open()
    if (answer.status !== 200) return `status ${answer.status}`
    this.#received = answer.body
    return answer.end === 'whole' ? this.#check() : answer.end
  }

  async asDocker(): Promise<string> {
    let why = ''
    for (let attempt = 1; attempt <= attempts; attempt++) {
      if (attempt > 1) await pause(((attempt - 1) * waitMs) / this.#client.haste)
      // The error of the first open is lost in a Seek, so the same is asked again at once.
      let answer = await this.#open()
      if (!isOpen(answer)) answer = await this.#open()
      if (answer.end === 'silent') return 'silent'
      why = `status ${answer.status}`
      if (answer.status === 416) this.#received = Buffer.alloc(0)
      else if (answer.status >= 400 && answer.status < 500) return why
      if (!isOpen(answer)) continue
      if (!this.#take(answer)) continue
      if (answer.end === 'whole') return this.#check()
      why = answer.end
    }
    return why
  }

  /** False: the answer to a resume was not what was asked for; docker begins anew. */
  #take({ status, body, header }: Exchange): boolean {
    const begun = this.#received.length
    if (begun === 0 || status === 200) {
      this.#received = body
      return true
    }
    if (header('content-range')?.startsWith(`bytes ${begun}-`)) {
      this.#received = Buffer.concat([this.#received, body])
      return true
    }
    this.#received = Buffer.alloc(0)
    return false
  }

  #check(): string {
    const digest = `sha256:${createHash('sha256').update(this.#received).digest('hex')}`
    return digest === this.#wanted.digest ? 'whole' : `${this.#received.length} bytes of another digest`
  }

  /** To the front door and where that sends; hosts may send on. */
  async #open(): Promise<Exchange> {
    const { frontUrl, path } = this.#wanted
    const { userAgent, address, silenceMs, ca } = this.#client
    const begun = this.#received.length
    const headers = {
      'user-agent': userAgent,
      'x-forwarded-for': address,
      'accept-encoding': begun > 0 ? 'identity' : 'gzip',
      ...(begun > 0 && { range: `bytes=${begun}-` }),
    }
    const askedMs = performance.now()
    let url = `${frontUrl}${path}`
    let location: string | undefined
    let toldMs = 0
    for (let hop = 0; ; hop++) {
      const answer = await exchange(url, { headers, silenceMs, ca })
      if (hop === 0) toldMs = performance.now()
      const next = answer.status === 307 && hop < maxRedirects ? answer.header('location') : undefined
      if (next === undefined) {
        this.opens.push({
          askedMs,
          location,
          toldMs,
          endedMs: performance.now(),
          status: answer.status,
          end: answer.end,
        })
        if (url.startsWith(frontUrl)) this.frontBytes += answer.body.length
        else this.hostBytes += answer.body.length
        return answer
      }
      location ??= next
      url = next
    }
  }
}

function isOpen({ status }: Exchange): boolean {
  return status === 200 || status === 206
}
