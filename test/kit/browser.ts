// A real browser, headless: opens pages, runs an expression in them, takes pictures. Speaks Chromium's own protocol, so that no
// driver has to be installed beside it.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startProcess } from './process.ts'
import { getTool } from './tool.ts'
import { waitUntil } from './wait-until.ts'

export type View = { readonly width: number; readonly height?: number; readonly scheme?: 'light' | 'dark' }

export type BrowserPage = {
  /** Console messages, security reports and uncaught errors since the page was opened. */
  readonly complaints: readonly string[]
  evaluate<T>(expression: string): Promise<T>
  /** The page as PNG, all of it or a strip. */
  picture(strip?: { readonly y: number; readonly height: number }): Promise<Uint8Array>
  /** Role and name of everything that is read out. */
  readAccessibility(): Promise<readonly { readonly role: string; readonly name: string }[]>
}

export type Browser = AsyncDisposable & {
  open(url: string, view?: View): Promise<BrowserPage>
}

type Message = {
  id?: number
  method?: string
  sessionId?: string
  params?: unknown
  result?: unknown
  error?: { message: string }
}

class Connection {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  readonly #listeners = new Set<(message: Message) => void>()
  #next = 1

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => {
      const message = JSON.parse(String(data)) as Message
      if (message.id === undefined) for (const listen of this.#listeners) listen(message)
      const waiting = message.id === undefined ? undefined : this.#waiting.get(message.id)
      if (!waiting) return
      this.#waiting.delete(message.id!)
      if (message.error) waiting.reject(new Error(message.error.message))
      else waiting.resolve(message.result)
    })
  }

  static open(url: string): Promise<Connection> {
    const socket = new WebSocket(url)
    return new Promise((resolve, reject) => {
      socket.addEventListener('open', () => resolve(new Connection(socket)))
      socket.addEventListener('error', () => reject(new Error(`the browser does not answer at ${url}`)))
    })
  }

  send<T>(method: string, params: object = {}, sessionId?: string): Promise<T> {
    const id = this.#next++
    this.#socket.send(JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) }))
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve: resolve as (v: unknown) => void, reject }))
  }

  on(listen: (message: Message) => void): void {
    this.#listeners.add(listen)
  }

  close(): void {
    this.#socket.close()
  }
}

const flags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--hide-scrollbars',
  '--remote-debugging-port=0',
]

export async function startBrowser(): Promise<Browser> {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-browser-'))
  const chromium = startProcess(getTool('chromium'), [...flags, `--user-data-dir=${folder}/profile`, 'about:blank'], {
    logFile: join(folder, 'chromium.log'),
    cwd: folder,
    env: { HOME: folder },
  })
  const portFile = join(folder, 'profile/DevToolsActivePort')
  const address = await waitUntil(
    () => {
      if (!chromium.isRunning()) throw new Error(`chromium ended at its start:\n${chromium.output()}`)
      try {
        const [port, path] = readFileSync(portFile, 'utf8').split('\n')
        return path ? `ws://127.0.0.1:${port}${path}` : undefined
      } catch {
        return undefined
      }
    },
    { what: 'chromium listens', limitMs: 60_000 },
  )
  const connection = await Connection.open(address)
  return {
    open: (url, view = { width: 1280 }) => openPage(connection, url, view),
    async [Symbol.asyncDispose]() {
      connection.close()
      await chromium[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function openPage(
  connection: Connection,
  url: string,
  { width, height = 900, scheme = 'light' }: View,
): Promise<BrowserPage> {
  const { targetId } = await connection.send<{ targetId: string }>('Target.createTarget', { url: 'about:blank' })
  const { sessionId } = await connection.send<{ sessionId: string }>('Target.attachToTarget', {
    targetId,
    flatten: true,
  })
  const send = <T>(method: string, params: object = {}) => connection.send<T>(method, params, sessionId)
  const complaints: string[] = []
  const loaded = Promise.withResolvers<void>()
  connection.on((message) => {
    if (message.sessionId !== sessionId) return
    if (message.method === 'Page.loadEventFired') loaded.resolve()
    if (
      [
        'Log.entryAdded',
        'Runtime.consoleAPICalled',
        'Runtime.exceptionThrown',
        'Page.javascriptDialogOpening',
      ].includes(message.method!)
    )
      complaints.push(`${message.method}: ${JSON.stringify(message.params)}`)
  })
  for (const domain of ['Page', 'Log', 'Runtime', 'Accessibility']) await send(`${domain}.enable`)
  await send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 600 })
  await send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] })
  await send('Page.navigate', { url })
  await loaded.promise
  return {
    complaints,
    async evaluate<T>(expression: string) {
      type Evaluated = { result: { value: T }; exceptionDetails?: { text: string } }
      const { result, exceptionDetails } = await send<Evaluated>('Runtime.evaluate', {
        expression,
        returnByValue: true,
        awaitPromise: true,
      })
      if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.text}`)
      return result.value
    },
    async picture(strip) {
      const clip = strip && { clip: { x: 0, width, scale: 1, ...strip } }
      const params = { format: 'png', captureBeyondViewport: true, ...clip }
      const { data } = await send<{ data: string }>('Page.captureScreenshot', params)
      return Buffer.from(data, 'base64')
    },
    async readAccessibility() {
      type Value = { value?: string }
      const { nodes } = await send<{ nodes: { ignored: boolean; role?: Value; name?: Value }[] }>(
        'Accessibility.getFullAXTree',
      )
      return nodes
        .filter((node) => !node.ignored)
        .map(({ role, name }) => ({ role: role?.value ?? '', name: name?.value ?? '' }))
    },
  }
}
