// A client by script that behaves as docker's classic store does when a layer fails, or as skopeo does, whose user tries again by
// hand. Pauses are shorter than theirs; the order and the number of their requests are as measured.

import { setTimeout as pause } from 'node:timers/promises'
import { digestOf } from '../../kit/images.ts'

export type Manner = 'docker' | 'skopeo'

export type ScriptedPull = {
  readonly frontUrl: string
  readonly repository: string
  /** The front door believes it of us, as of a proxy. */
  readonly clientAddress: string
  readonly layers: readonly string[]
  /** What this client's network makes of an address. */
  readonly reach: (location: string) => string
  /** Silence that its user bears. */
  readonly patienceMs: number
}

export type ScriptedOutcome = {
  readonly isWhole: boolean
  /** Where it was sent. */
  readonly locations: readonly string[]
  /** Whole addresses at which a transfer failed. */
  readonly failedAt: readonly string[]
}

const agents: Readonly<Record<Manner, string>> = {
  docker: 'docker/20.10.24+dfsg1 go/go1.19.8 kernel/6.1.0 os/linux arch/amd64 UpstreamClient(Docker-Client/20.10.24)',
  skopeo: 'skopeo/1.9.3',
}
const dockerAttempts = 5
const dockerPauseMs = 1_000
/** How often a user pulls before giving up. */
export const handAttempts = 3
/** Longer than what a front door takes for one ask. */
const handPauseMs = 3_000
const maxHops = 10

/** failed-open: nothing came. cut: a part came. bad: it is all there and not what was asked for. */
type Fetched =
  | { readonly is: 'whole' }
  | { readonly is: 'failed-open' | 'bad' }
  | { readonly is: 'cut'; readonly got: Uint8Array }

class Session {
  readonly locations: string[] = []
  readonly failedAt: string[] = []
  readonly #about: ScriptedPull
  readonly #headers: Record<string, string>

  constructor(manner: Manner, about: ScriptedPull) {
    this.#about = about
    this.#headers = { 'user-agent': agents[manner], 'accept-encoding': 'gzip' }
  }

  async readManifest(): Promise<void> {
    const { frontUrl, repository, clientAddress } = this.#about
    const headers = {
      ...this.#headers,
      'x-forwarded-for': clientAddress,
      accept: 'application/vnd.oci.image.manifest.v1+json',
    }
    const answer = await fetch(`${frontUrl}/v2/${repository}/manifests/latest`, { headers, keepalive: false })
    if (!answer.ok) throw new Error(`the manifest: ${answer.status} ${await answer.text()}`)
    await answer.arrayBuffer()
  }

  async fetchLayer(digest: string, before: Uint8Array = new Uint8Array()): Promise<Fetched> {
    const { frontUrl, repository, clientAddress } = this.#about
    const range = before.length > 0 ? { range: `bytes=${before.length}-` } : {}
    const asked = { ...this.#headers, ...range }
    const front = `${frontUrl}/v2/${repository}/blobs/${digest}`
    const told = await this.#send(front, { ...asked, 'x-forwarded-for': clientAddress })
    let answer = told
    let location = ''
    for (let hops = 0; answer !== undefined && answer.status >= 300 && answer.status < 400; hops++) {
      if (hops === maxHops) return this.#failed(location, { is: 'failed-open' })
      const to: string = new URL(answer.headers.get('location') ?? '', location || front).href
      if (hops === 0) this.locations.push(to)
      location = hops === 0 ? to : location
      await answer.body?.cancel()
      answer = await this.#send(this.#about.reach(to), asked)
    }
    if (!answer) return this.#failed(location, { is: 'failed-open' })
    const isResumed =
      answer.status === 206 && answer.headers.get('content-range')?.startsWith(`bytes ${before.length}-`)
    const isUsable = before.length > 0 ? isResumed || answer.status === 200 : answer.status === 200
    if (!isUsable) {
      await answer.body?.cancel()
      return this.#failed(location, { is: 'failed-open' })
    }
    const fetched = await this.#readBody(answer, isResumed ? before : new Uint8Array(), digest)
    return fetched.is === 'whole' ? fetched : this.#failed(location, fetched)
  }

  async #readBody(answer: Response, before: Uint8Array, digest: string): Promise<Fetched> {
    // Go's clients take the encoding away themselves: what is left has another digest.
    if (answer.headers.get('content-encoding') === 'gzip') {
      await answer.body?.cancel()
      return { is: 'bad' }
    }
    const chunks: Uint8Array[] = [before]
    let isCut = false
    try {
      for await (const chunk of answer.body ?? []) chunks.push(chunk)
    } catch {
      isCut = true
    }
    const got = Buffer.concat(chunks)
    const said = Number(answer.headers.get('content-length') ?? got.length)
    if (isCut || got.length - before.length < said) return { is: 'cut', got }
    return digestOf(got) === digest ? { is: 'whole' } : { is: 'bad' }
  }

  async #send(url: string, headers: Record<string, string>): Promise<Response | undefined> {
    const signal = AbortSignal.timeout(this.#about.patienceMs)
    // One connection a request, as docker makes them: and what a dead host leaves in a pool meets nobody.
    return await fetch(url, { headers, redirect: 'manual', decompress: false, keepalive: false, signal }).catch(
      () => undefined,
    )
  }

  #failed(location: string, fetched: Fetched): Fetched {
    this.failedAt.push(location)
    return fetched
  }
}

/** Five attempts, each open that fails is made twice at once, a transfer that broke goes on by Range; wrong content ends the pull. */
async function fetchAsDocker(session: Session, digest: string): Promise<boolean> {
  let before: Uint8Array = new Uint8Array()
  for (let attempt = 0; attempt < dockerAttempts; attempt++) {
    if (attempt > 0) await pause(dockerPauseMs)
    let fetched = await session.fetchLayer(digest, before)
    if (fetched.is === 'failed-open') fetched = await session.fetchLayer(digest, before)
    if (fetched.is === 'whole') return true
    if (fetched.is === 'bad') return false
    if (fetched.is === 'cut') before = fetched.got
  }
  return false
}

async function fetchAsSkopeo(session: Session, digest: string): Promise<boolean> {
  return (await session.fetchLayer(digest)).is === 'whole'
}

/** The whole image; when that fails, its user does it again. */
export async function pullByScript(manner: Manner, about: ScriptedPull): Promise<ScriptedOutcome> {
  const session = new Session(manner, about)
  const fetchLayer = manner === 'docker' ? fetchAsDocker : fetchAsSkopeo
  let missing = about.layers
  for (let attempt = 0; attempt < handAttempts && missing.length > 0; attempt++) {
    if (attempt > 0) await pause(handPauseMs)
    await session.readManifest()
    const fetched = await Promise.all(
      missing.map(async (digest) => ({ digest, isWhole: await fetchLayer(session, digest) })),
    )
    missing = fetched.filter(({ isWhole }) => !isWhole).map(({ digest }) => digest)
  }
  return { isWhole: missing.length === 0, locations: session.locations, failedAt: session.failedAt }
}
