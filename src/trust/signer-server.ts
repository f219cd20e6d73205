// A signer in a process of its own, under a user of its own: it holds the keys and the memory, and whoever can open the socket can have
// tree metadata signed, forwards only. Roots are not signed here: who takes over a caller must not be able to make himself its successor.

import { chmod, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { connect } from 'node:net'
import type { SignerAsk } from './asked-signer.ts'
import { onlineRoles, readDocument } from './signed-document.ts'
import type { Signer } from './signer.ts'
import { SignerRefused } from './signer-refused.ts'

export type SignerServer = {
  /** Answers what was asked, then closes and removes the socket. */
  stop(): Promise<void>
}

export type SignerServerOptions = {
  readonly socket: string
  readonly log: (error: unknown) => void
}

/** Targets of the largest tree that readers take, as base64 in JSON (trusted-chain.ts), with room to spare. */
const maxAskBytes = 4 * 1024 * 1024
const askTimeoutMs = 10_000

/** Throws when another signer answers at the socket. The caller's umask decides who may connect before the socket has its mode. */
export async function serveSigner(signer: Signer, { socket, log }: SignerServerOptions): Promise<SignerServer> {
  await removeDeadSocket(socket)
  const server = createServer(
    { requestTimeout: askTimeoutMs, headersTimeout: askTimeoutMs },
    async (request, response) => {
      const answer = await readAsk(request)
        .then((ask) => answerAsk(signer, ask))
        .catch((error) => {
          if (error instanceof SignerRefused) return { refused: error.message }
          log(error)
          return { refused: 'it failed: its log says why' }
        })
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
    },
  )
  await listen(server, socket)
  await chmod(socket, 0o600)
  return {
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeIdleConnections()
      await closed
      await rm(socket, { force: true })
    },
  }
}

async function answerAsk(signer: Signer, ask: SignerAsk): Promise<unknown> {
  if (ask.do === 'key') return isOnline(ask.role) ? ((await signer.findKey(ask.role)) ?? null) : null
  if (ask.do === 'highest') {
    if (!isOnline(ask.role) || typeof ask.scope !== 'string') throw new SignerRefused('not a role and a scope')
    return { version: await signer.highestVersion(ask.role, ask.scope) }
  }
  if (ask.do !== 'sign' || typeof ask.bytes !== 'string') throw new SignerRefused('not a question for a signer')
  const bytes = Buffer.from(ask.bytes, 'base64')
  if (!isOnline(readDocument(bytes).role))
    throw new SignerRefused('roots are not signed here: `flotilla keys sign` does')
  return await signer.sign(bytes)
}

function isOnline(role: unknown): boolean {
  return (onlineRoles as readonly unknown[]).includes(role)
}

async function readAsk(request: IncomingMessage): Promise<SignerAsk> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxAskBytes) throw new SignerRefused(`a question is at most ${maxAskBytes} bytes`)
    chunks.push(chunk)
  }
  let ask: unknown
  try {
    ask = JSON.parse(Buffer.concat(chunks).toString())
  } catch {}
  if (typeof ask !== 'object' || ask === null) throw new SignerRefused('not a JSON object')
  return ask as SignerAsk
}

/** What a killed signer left. */
async function removeDeadSocket(socket: string): Promise<void> {
  const isAlive = await new Promise<boolean>((resolve) => {
    const probe = connect(socket, () => {
      probe.destroy()
      resolve(true)
    })
    probe.on('error', () => resolve(false))
  })
  if (isAlive) throw new Error(`another signer answers at ${socket}`)
  await rm(socket, { force: true })
}

function listen(server: Server, socket: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(socket, resolve)
  })
}
