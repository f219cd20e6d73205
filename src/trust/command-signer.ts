// Signatures by a command of the operator's (an HSM's tool, a script over ssh): run once for each question, JSON on its standard input,
// JSON on its standard output.

import { spawn } from 'node:child_process'
import { AskedSigner, type AskSigner } from './asked-signer.ts'
import { SignerFailed } from './signer-refused.ts'

export type CommandSignerOptions = {
  /** Program and arguments; no shell reads them. */
  readonly command: readonly string[]
  readonly signedFolder: string
  /** Of one question. */
  readonly timeoutMs: number
}

/** More than any answer takes. */
const maxAnswerBytes = 64 * 1024
const shownErrorBytes = 1000

export function commandSigner({ command, signedFolder, timeoutMs }: CommandSignerOptions): AskedSigner {
  const name = `the signing command ${command[0]}`
  return new AskedSigner(askCommand(command, name, timeoutMs), { name, signedFolder, hasMemory: false })
}

function askCommand([program = '', ...args]: readonly string[], name: string, timeoutMs: number): AskSigner {
  return (ask) =>
    new Promise((resolve, reject) => {
      const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: timeoutMs, killSignal: 'SIGKILL' })
      const said = { out: Buffer.alloc(0), error: Buffer.alloc(0) }
      const fail = (why: string) => {
        const tail = said.error.subarray(-shownErrorBytes).toString().trim()
        reject(new SignerFailed(`${name} ${why}${tail === '' ? '' : `: ${tail}`}`))
      }
      child.on('error', (error) => fail(`could not be run (${error.message})`))
      child.stdout.on('data', (chunk: Buffer) => {
        said.out = Buffer.concat([said.out, chunk])
        if (said.out.length > maxAnswerBytes) child.kill('SIGKILL')
      })
      child.stderr.on('data', (chunk: Buffer) => {
        said.error = Buffer.concat([said.error, chunk]).subarray(-shownErrorBytes)
      })
      // A command that answers without reading the question to its end is not wrong.
      child.stdin.on('error', () => undefined)
      child.on('close', (code, signal) => {
        if (said.out.length > maxAnswerBytes) return fail(`said more than ${maxAnswerBytes} bytes`)
        if (signal !== null) return fail(`was ended by ${signal}; it may take ${timeoutMs / 1000} s (signer-timeout)`)
        if (code !== 0) return fail(`ended with code ${code}`)
        resolve(said.out.toString())
      })
      child.stdin.end(JSON.stringify(ask))
    })
}
