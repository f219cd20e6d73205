// The secret behind block checks: whoever has it knows which blocks of a blob are asked for, so it never leaves our own machines.

import { createHmac, randomBytes } from 'node:crypto'
import { dirname } from 'node:path'
import { createFileAtomically, makeFolder } from '#kit/atomic-file.ts'
import { findFileBytes } from '#kit/find-file-bytes.ts'

const keyBytes = 32

export class BlockKey {
  /** Tells two keys apart and says nothing about either: stands beside everything that was made with this one. */
  readonly id: string
  readonly #secret: Uint8Array

  constructor(secret: Uint8Array) {
    this.#secret = secret
    this.id = this.mac('id').toString('hex', 0, 8)
  }

  /** HMAC-SHA-256 over the parts, one after the other. */
  mac(...parts: readonly (string | Uint8Array)[]): Buffer {
    const hmac = createHmac('sha256', this.#secret)
    for (const part of parts) hmac.update(part)
    return hmac.digest()
  }

  /** Opens the key file (0600 in a folder of 0700) and makes it when it is missing: for the one who makes block checks. */
  static async open(path: string): Promise<BlockKey> {
    await makeFolder(dirname(path), 0o700)
    // Of several processes at once one makes the file; all go on with what it holds.
    await createFileAtomically(path, randomBytes(keyBytes), 0o600)
    return (await BlockKey.find(path))!
  }

  /** Undefined: there is none here (yet). Throws when the file holds something else. */
  static async find(path: string): Promise<BlockKey | undefined> {
    const secret = await findFileBytes(path)
    if (!secret) return undefined
    if (secret.length !== keyBytes)
      throw new Error(
        `${path} has ${secret.length} bytes instead of ${keyBytes}: restore it, or delete it, and all block checks are made anew`,
      )
    return new BlockKey(secret)
  }
}
