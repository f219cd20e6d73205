// The client of a signer in a process of its own (signer-server.ts), at a socket of this machine.

import { request } from 'node:http'
import { AskedSigner, type AskSigner } from './asked-signer.ts'
import { SignerFailed } from './signer-refused.ts'

export type SocketSignerOptions = {
  /** Path of the socket. */
  readonly socket: string
  readonly signedFolder: string
  /** Of one question. */
  readonly timeoutMs: number
}

const maxAnswerBytes = 64 * 1024

export function socketSigner({ socket, signedFolder, timeoutMs }: SocketSignerOptions): AskedSigner {
  const name = `the signer at ${socket}`
  return new AskedSigner(askSocket(socket, name, timeoutMs), { name, signedFolder, hasMemory: true })
}

function askSocket(socket: string, name: string, timeoutMs: number): AskSigner {
  return async (ask) => {
    try {
      return await post(socket, JSON.stringify(ask), AbortSignal.timeout(timeoutMs))
    } catch (error) {
      const reason = (error as Error).name === 'TimeoutError' ? `no answer in ${timeoutMs / 1000} s` : String(error)
      const advice = 'is `flotilla signer` running, and may this user open its socket?'
      throw new SignerFailed(`${name} does not answer (${reason}): ${advice}`, { cause: error })
    }
  }
}

function post(socketPath: string, body: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath, method: 'POST', path: '/', signal }, (answer) => {
      const chunks: Buffer[] = []
      let size = 0
      answer.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > maxAnswerBytes) asking.destroy(new Error('an answer without an end'))
        else chunks.push(chunk)
      })
      answer.on('end', () => resolve(Buffer.concat(chunks).toString()))
      answer.on('error', reject)
    })
    asking.on('error', (error) => reject(signal.aborted ? signal.reason : error))
    asking.end(body)
  })
}
