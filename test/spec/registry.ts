// A running registry, asked as its clients ask it: HTTP with Basic credentials, every answer read whole.

import { Database } from 'bun:sqlite'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { type Flotilla, startFlotilla } from '../kit/flotilla.ts'
import type { Environment } from '../kit/process.ts'

export type Reply = {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Buffer
  readonly text: string
  json<T>(): T
}

export type AskOptions = {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string | ReadableStream<Uint8Array>
}

export type Registry = AsyncDisposable & {
  readonly flotilla: Flotilla
  readonly url: string
  readonly port: number
  /** Where the store keeps blobs and uploads. */
  readonly store: string
  /** The robot that the first start makes: pull and push everywhere. */
  readonly builder: Client
  readonly admin: Client
  /** Makes a robot by the command that operators use. */
  robot(name: string, ...grants: string[]): Promise<Client>
  /** Ends the process and starts it again, on other ports. */
  restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

export class Client {
  readonly #server: { readonly url: string }
  readonly user: string
  readonly secret: string

  constructor(server: { readonly url: string }, user: string, secret: string) {
    this.#server = server
    this.user = user
    this.secret = secret
  }

  get basic(): string {
    return `Basic ${Buffer.from(`${this.user}:${this.secret}`).toString('base64')}`
  }

  /** `path` may be a Location as the registry gave it. */
  async ask(method: string, path: string, options: AskOptions = {}): Promise<Reply> {
    return await ask(this.#server.url, method, path, {
      ...options,
      headers: { authorization: this.basic, ...options.headers },
    })
  }

  /** A registry token, as docker gets it. */
  async token(...scopes: string[]): Promise<string> {
    const query = new URLSearchParams({ service: 'flotilla' })
    for (const scope of scopes) query.append('scope', scope)
    return (await this.ask('GET', `/token?${query}`)).json<{ token: string }>().token
  }
}

export async function ask(url: string, method: string, path: string, options: AskOptions = {}): Promise<Reply> {
  const answer = await fetch(new URL(path, url), {
    method,
    redirect: 'manual',
    headers: options.headers ?? {},
    ...(options.body === undefined ? {} : { body: options.body as string, duplex: 'half' }),
  })
  const bytes = Buffer.from(await answer.arrayBuffer())
  return {
    status: answer.status,
    headers: answer.headers,
    bytes,
    text: bytes.toString(),
    json: () => JSON.parse(bytes.toString()),
  }
}

export async function startRegistry(env: Environment = {}): Promise<Registry> {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-spec-'))
  let flotilla = await startFlotilla({ folder, env })
  const server = {
    get url() {
      return flotilla.url('registry')
    },
  }
  const secretIn = (name: string) => readFileSync(join(flotilla.data, 'keys', name), 'utf8').trim()
  return {
    get flotilla() {
      return flotilla
    },
    get url() {
      return server.url
    },
    get port() {
      return Number(new URL(server.url).port)
    },
    store: join(flotilla.data, 'store'),
    builder: new Client(server, 'builder', secretIn('builder-token')),
    admin: new Client(server, 'admin', secretIn('admin-token')),
    async robot(name, ...grants) {
      const flags = grants.flatMap((grant) => ['--grant', grant])
      const { secret } = await flotilla.runJson<{ secret: string }>('token', 'create', name, ...flags)
      return new Client(server, name, secret)
    },
    async restart(signal) {
      flotilla.process.signal(signal)
      await flotilla.process.exited
      flotilla = await startFlotilla({ folder, env })
    },
    async [Symbol.asyncDispose]() {
      await flotilla[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const tables = [
  'repositories',
  'repository_blobs',
  'blobs',
  'manifests',
  'manifest_references',
  'channel_manifests',
  'channel_versions',
  'tags',
  'tag_log',
]

/** Everything that a push leaves: files of the store, and rows. */
export function traces({ store, flotilla }: Pick<Registry, 'store' | 'flotilla'>): readonly string[] {
  const files = readdirSync(store, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => `${relative(store, path)} ${statSync(path).size}`)
  const catalogue = new Database(join(flotilla.data, 'catalogue.sqlite'), { readonly: true })
  try {
    const rows = tables.map((table) => {
      const { count } = catalogue.query(`select count(*) as count from ${table}`).get() as { count: number }
      return `${table}: ${count}`
    })
    return [...files.sort(), ...rows]
  } finally {
    catalogue.close()
  }
}
