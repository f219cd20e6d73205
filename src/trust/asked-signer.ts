// A Signer whose keys are elsewhere: behind a command (command-signer.ts) or in a process of its own (socket-signer.ts). What comes back is
// verified before it is used, and what was asked for is remembered here too: neither side alone can be talked into signing backwards.

import { verify } from 'node:crypto'
import { importPublicKey, keyIdOf, type PublicKey, parsePublicKey } from './public-key.ts'
import { readDocument, type TrustRole } from './signed-document.ts'
import { SignedVersions } from './signed-versions.ts'
import type { Signature, Signer } from './signer.ts'
import { SignerFailed, SignerRefused } from './signer-refused.ts'

/** One JSON object each way. `sign` is answered by `{"keyid","sig"}`, `key` by the public key as TUF writes it or `null`, `highest` by
 *  `{"version"}`; any of them by `{"refused": "why"}`. `bytes` is base64; the fields beside it are for people and logs: what counts
 *  is what the bytes say. */
export type SignerAsk =
  | { readonly do: 'key'; readonly role: TrustRole }
  | {
      readonly do: 'sign'
      readonly role: TrustRole
      readonly channel: string
      readonly version: number
      readonly generation?: number | undefined
      readonly bytes: string
    }
  | { readonly do: 'highest'; readonly role: TrustRole; readonly scope: string }

/** Resolves to the JSON of the answer as text. */
export type AskSigner = (ask: SignerAsk) => Promise<string>

export type AskedSignerOptions = {
  /** As messages call the other side. */
  readonly name: string
  /** Of what was signed through here (signed-versions.ts). */
  readonly signedFolder: string
  /** The other side has a memory of its own and can be asked for it. */
  readonly hasMemory: boolean
}

const hex128 = /^[0-9a-f]{128}$/

export class AskedSigner implements Signer {
  readonly #ask: AskSigner
  readonly #options: AskedSignerOptions
  readonly #signed: SignedVersions

  constructor(ask: AskSigner, options: AskedSignerOptions) {
    this.#ask = ask
    this.#options = options
    this.#signed = new SignedVersions(options.signedFolder)
  }

  async findKey(role: TrustRole): Promise<PublicKey | undefined> {
    const answer = await this.#answer({ do: 'key', role })
    if (answer === null) return undefined
    const key = parsePublicKey(JSON.stringify(answer))
    if (!key) throw new SignerFailed(`${this.#options.name} gave no Ed25519 key for ${role}`)
    return key
  }

  async highestVersion(role: TrustRole, scope: string): Promise<number> {
    const here = await this.#signed.highest(role, scope)
    if (!this.#options.hasMemory) return here
    const { version } = ((await this.#answer({ do: 'highest', role, scope })) ?? {}) as { version?: unknown }
    if (!Number.isSafeInteger(version))
      throw new SignerFailed(`${this.#options.name} gave no version for ${role} of ${scope}`)
    return Math.max(here, version as number)
  }

  async sign(bytes: Uint8Array): Promise<Signature> {
    const facts = readDocument(bytes)
    const { role, scope: channel, version, generation } = facts
    const key = await this.findKey(role)
    if (!key) throw new SignerRefused(`${this.#options.name} has no key for ${role}`)
    const keyId = keyIdOf(key)
    await this.#signed.record(keyId, facts)
    const answer = await this.#answer({
      do: 'sign',
      role,
      channel,
      version,
      generation,
      bytes: Buffer.from(bytes).toString('base64'),
    })
    const { sig } = (answer ?? {}) as { sig?: unknown }
    const isGood =
      typeof sig === 'string' && hex128.test(sig) && verify(null, bytes, importPublicKey(key), Buffer.from(sig, 'hex'))
    if (!isGood) throw new SignerFailed(`${this.#options.name} gave no valid signature of its key ${keyId} for ${role}`)
    return { keyid: keyId, sig }
  }

  async #answer(ask: SignerAsk): Promise<unknown> {
    const text = await this.#ask(ask)
    let answer: unknown
    try {
      answer = JSON.parse(text)
    } catch {
      throw new SignerFailed(`${this.#options.name} did not answer JSON: ${text.slice(0, 200)}`)
    }
    const { refused } = (answer ?? {}) as { refused?: unknown }
    if (typeof refused === 'string') throw new SignerRefused(`${this.#options.name} refused: ${refused}`)
    return answer
  }
}
