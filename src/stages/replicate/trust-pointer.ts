// Which key to believe, and which pointer: signed by that key, of the folder's channel, never below the highest seen.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { keyPath, maxPointerBytes, openPointer, type Pointer, PointerRefused, pointerPath } from '#snapshots/pointer.ts'
import { keyIdOf, makePublicKey, type PublicKey, parsePublicKey } from '#trust/public-key.ts'
import { Verifier } from '#trust/verifier.ts'
import type { ReplicaState } from './replica-state.ts'
import { ReplicateError } from './replicate-error.ts'
import type { SourceAnswer, TreeSource } from './tree-source.ts'

const maxKeyBytes = 4096

/** A key given by a person: its 64 hex digits, or the text of a key.json. */
export function parseGivenKey(text: string): PublicKey {
  return parsePublicKey(text) ?? makePublicKey(text.trim().toLowerCase())
}

/** The key given; else the one the folder knows; else one that came with an rsync of the tree; else, once, the source's. */
export async function chooseKey(
  folder: string,
  given: string | undefined,
  state: ReplicaState | undefined,
  source: TreeSource,
  stop: AbortSignal,
): Promise<PublicKey> {
  if (given !== undefined) return parseGivenKey(given)
  if (state) return state.key
  const copied = parsePublicKey(await readFile(join(folder, keyPath), 'utf8').catch(() => ''))
  if (copied) return copied
  const answer = await source.get(keyPath, {}, stop)
  if (answer.status !== 200) {
    await answer.discard()
    throw new ReplicateError(
      'source',
      `${source.url} has no ${keyPath} (status ${answer.status}): is it a published tree?`,
    )
  }
  const key = parsePublicKey((await readSmall(answer, maxKeyBytes, keyPath)).toString())
  if (!key) throw new ReplicateError('untrusted', `${source.url}/${keyPath} is not an Ed25519 public key`)
  return key
}

/** With the bytes of its file, which a copy passes on as they are. */
export type FoundPointer = { readonly pointer: Pointer; readonly bytes: Buffer }

/** Undefined: the source says that it is still the one with this ETag. */
export async function fetchPointer(
  source: TreeSource,
  key: PublicKey,
  etag: string | undefined,
  stop: AbortSignal,
): Promise<(FoundPointer & { readonly etag: string | undefined }) | undefined> {
  const answer = await source.get(pointerPath, etag === undefined ? {} : { 'if-none-match': etag }, stop)
  if (answer.status === 304 && etag !== undefined) {
    await answer.discard()
    return undefined
  }
  if (answer.status !== 200) {
    await answer.discard()
    throw new ReplicateError('source', `${source.url}/${pointerPath}: status ${answer.status}`)
  }
  const bytes = await readSmall(answer, maxPointerBytes, pointerPath)
  return { pointer: verifyPointer(bytes, key), bytes, etag: answer.header('etag') }
}

export function verifyPointer(bytes: Uint8Array, key: PublicKey): Pointer {
  const verifier = new Verifier([key])
  try {
    return openPointer(bytes, (signed, signatures) => verifier.findSigner(signed, signatures))
  } catch (error) {
    if (!(error instanceof PointerRefused)) throw error
    const advice = error.reason === 'unsigned' ? `; the key trusted here is ${keyIdOf(key)}` : ''
    throw new ReplicateError('untrusted', `${error.message}${advice}`, { cause: error })
  }
}

/** The pointer that lies in the folder, if it is one that the key signed: after an rsync it is all that is known. */
export async function readHeldPointer(folder: string, key: PublicKey): Promise<FoundPointer | undefined> {
  const bytes = await readFile(join(folder, pointerPath)).catch(() => undefined)
  try {
    return bytes && { pointer: verifyPointer(bytes, key), bytes }
  } catch {
    return undefined
  }
}

export function refuseOlder(pointer: Pointer, held: { channel: string; highest: number } | undefined): void {
  if (!held) return
  if (pointer.channel !== held.channel) {
    throw new ReplicateError('folder', `the folder holds channel ${held.channel}, the source has ${pointer.channel}`)
  }
  if (pointer.generation < held.highest) {
    const { generation } = pointer
    throw new ReplicateError(
      'backwards',
      `the source has generation ${generation}, but ${held.highest} was seen before`,
    )
  }
}

async function readSmall(answer: SourceAnswer, maxBytes: number, path: string): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of answer.chunks) {
    length += chunk.length
    if (length > maxBytes) throw new ReplicateError('source', `${path} is larger than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
