// The reader's side of TUF: follows root -> timestamp -> snapshot -> targets with tuf-js, and keeps in a folder what was verified, so that
// the next start goes on from there and nothing older is ever taken.
//
//   <folder>/root.json                                  the newest that was verified
//            timestamp.json snapshot.json targets.json  the newest whole state
//            ahead-timestamp.json ...                   newer ones: on their way to their places, or what led nowhere and is good only
//                                                       to forbid older ones
//
// tuf-js writes its files in place and may be killed in between: it works on a scratch copy, and what it accepted is moved over atomically.

import { createHash } from 'node:crypto'
import { mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MetadataKind } from '@tufjs/models'
import { Updater } from 'tuf-js'
import { makeFolder, publicFileMode, writeFileAtomically } from '#kit/atomic-file.ts'
import { findFileBytes } from '#kit/find-file-bytes.ts'
import { ChainFetcher, chainLimits, type ReadMetadata } from './chain-fetcher.ts'
import { ChainRefused, explainRefusal } from './chain-refused.ts'
import { parseRoot } from './root-document.ts'

const stateNames = ['timestamp.json', 'snapshot.json', 'targets.json'] as const
const names = ['root.json', ...stateNames] as const
type StateName = (typeof stateNames)[number]
type State = Readonly<Record<StateName, Buffer>>
const ahead = (name: string) => `ahead-${name}`
const scratchPrefix = '.refresh-'
const privateFolderMode = 0o700

/** What targets say, verified. */
export type VerifiedTargets = {
  /** The field `flotilla` of the signed part: see TargetsAbout; not looked at here. */
  readonly about: unknown
  readonly files: ReadonlyMap<string, { readonly sizeBytes: number; readonly sha256: string }>
  readonly rootVersion: number
  readonly timestampVersion: number
  readonly targetsVersion: number
  /** When the timestamp expires. */
  readonly expiresAtMs: number
}

export class TrustedChain {
  readonly #folder: string
  readonly #channel: string | undefined

  /** `channel`: metadata of any other is refused; undefined: of the first that is seen. */
  private constructor(folder: string, channel: string | undefined) {
    this.#folder = folder
    this.#channel = channel
  }

  /** Undefined: nothing is trusted yet, and no root was given. `firstRoot` counts only when the folder has none. Throws ChainRefused when
   *  it is no root. */
  static async open(
    folder: string,
    firstRoot: Buffer | undefined,
    channel: string | undefined,
  ): Promise<TrustedChain | undefined> {
    await makeFolder(folder, privateFolderMode)
    for (const name of await readdir(folder)) {
      if (name.startsWith(scratchPrefix)) await rm(join(folder, name), { recursive: true, force: true })
    }
    const held = await readHeld(folder, 'root.json')
    if (!held && !firstRoot) return undefined
    if (!held) await writeFileAtomically(join(folder, 'root.json'), requireRoot(firstRoot!), publicFileMode)
    return new TrustedChain(folder, channel)
  }

  /** The bytes of the newest root that was verified. Nothing can stand in for it. */
  async root(): Promise<Buffer> {
    const bytes = await readHeld(this.#folder, 'root.json')
    const path = join(this.#folder, 'root.json')
    if (!bytes) throw new ChainRefused('folder', `${path} is gone: remove the folder, and give a root that you trust`)
    const damage = damageOfRoot(bytes)
    if (damage === undefined) return bytes
    throw new ChainRefused(
      'folder',
      `${path} is damaged (${damage}): remove the folder, and give a root that you trust`,
    )
  }

  async rootVersion(): Promise<number> {
    return parseRoot(await this.root()).signed.version
  }

  /** The bytes of a file of the whole state that was verified last. */
  async held(name: (typeof names)[number]): Promise<Buffer | undefined> {
    return name === 'root.json' ? await readHeld(this.#folder, name) : (await this.#whole())?.[name]
  }

  /** The whole state that was verified last, however old; undefined: none, or a file of it is damaged: the next refresh fetches it anew. */
  async last(): Promise<VerifiedTargets | undefined> {
    const whole = await this.#whole()
    const root = await readHeld(this.#folder, 'root.json')
    try {
      return root && whole && describe(root, whole['timestamp.json'], whole['targets.json'])
    } catch {
      return undefined
    }
  }

  /** A crash may have come while files were moved to their places: then some are there, and the others still ahead. */
  async #whole(): Promise<State | undefined> {
    const placed = await Promise.all(stateNames.map((name) => readHeld(this.#folder, name)))
    const newer = await Promise.all(stateNames.map((name) => readHeld(this.#folder, ahead(name))))
    return asState(newer.map((one, i) => one ?? placed[i])) ?? asState(placed)
  }

  /** Follows the chain to its end. Throws ChainRefused, and whatever `read` throws; all that was verified before stays. */
  async refresh(read: ReadMetadata): Promise<VerifiedTargets> {
    const channel = this.#channel ?? (await this.#heldChannel())
    await this.root()
    const scratch = await mkdtemp(join(this.#folder, scratchPrefix))
    const fetcher = new ChainFetcher(read, channel)
    try {
      await this.#copyTo(scratch)
      const tree = { metadataDir: scratch, metadataBaseUrl: 'tree:/metadata', fetcher }
      await new Updater({ ...tree, config: chainLimits }).refresh()
      await this.#takeFrom(scratch, true)
    } catch (error) {
      await this.#takeFrom(scratch, false)
      if (fetcher.failure !== undefined) throw fetcher.failure
      throw explainRefusal(error, scratch)
    } finally {
      await rm(scratch, { recursive: true, force: true })
    }
    const last = await this.last()
    if (!last) throw new ChainRefused('malformed', 'the signed metadata say what cannot be: a broken publisher')
    return last
  }

  /** As any file says that was verified before, also when another is damaged. */
  async #heldChannel(): Promise<string | undefined> {
    for (const name of ['targets.json', 'snapshot.json', 'timestamp.json'] as const) {
      try {
        const { channel } = JSON.parse(String(await readHeld(this.#folder, name))).signed.flotilla
        if (typeof channel === 'string') return channel
      } catch {}
    }
    return undefined
  }

  async #copyTo(scratch: string): Promise<void> {
    for (const name of names) {
      const bytes = (await readHeld(this.#folder, ahead(name))) ?? (await readHeld(this.#folder, name))
      if (bytes) await writeFile(join(scratch, name), bytes)
    }
  }

  /** Also after a refusal: a newer timestamp that led nowhere still forbids the older ones. */
  async #takeFrom(scratch: string, isWhole: boolean): Promise<void> {
    for (const name of names) {
      const taken = await readHeld(scratch, name)
      const held = await readHeld(this.#folder, name)
      const place = join(this.#folder, name === 'root.json' ? name : ahead(name))
      if (taken && !held?.equals(taken)) await writeFileAtomically(place, taken, publicFileMode)
      else if (isWhole && name !== 'root.json') await rm(place, { force: true })
    }
    if (isWhole) for (const name of stateNames) await this.#settle(name)
  }

  async #settle(name: StateName): Promise<void> {
    try {
      await rename(join(this.#folder, ahead(name)), join(this.#folder, name))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}

function asState([timestamp, snapshot, targets]: readonly (Buffer | undefined)[]): State | undefined {
  if (!timestamp || !snapshot || !targets) return undefined
  try {
    if (!leadsTo(timestamp, 'snapshot.json', snapshot) || !leadsTo(snapshot, 'targets.json', targets)) return undefined
    return { 'timestamp.json': timestamp, 'snapshot.json': snapshot, 'targets.json': targets }
  } catch {
    return undefined
  }
}

function leadsTo(from: Buffer, name: string, to: Buffer): boolean {
  type Meta = { signed: { meta: Record<string, { version: number; hashes?: { sha256?: string } } | undefined> } }
  const named = (JSON.parse(from.toString()) as Meta).signed.meta[name]
  const { version } = (JSON.parse(to.toString()) as { signed: { version: number } }).signed
  if (named?.version !== version) return false
  const sha256 = named.hashes?.sha256
  return sha256 === undefined || sha256 === createHash('sha256').update(to).digest('hex')
}

function requireRoot(bytes: Buffer): Buffer {
  const damage = bytes.length > chainLimits.rootMaxLength ? 'too large' : damageOfRoot(bytes)
  if (damage !== undefined) throw new ChainRefused('malformed', `the root that was given cannot be used: ${damage}`)
  return bytes
}

/** Undefined: it is a root, signed as it asks for itself. */
function damageOfRoot(bytes: Buffer): string | undefined {
  try {
    const root = parseRoot(bytes)
    root.verifyDelegate(MetadataKind.Root, root)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

function describe(root: Buffer, timestamp: Buffer, targets: Buffer): VerifiedTargets {
  const time = JSON.parse(timestamp.toString()).signed as { version: number; expires: string }
  const { signed } = JSON.parse(targets.toString()) as {
    signed: {
      version: number
      flotilla: unknown
      targets: Record<string, { length: number; hashes: Record<string, string> }>
    }
  }
  const files = Object.entries(signed.targets).map(
    ([path, { length, hashes }]) => [path, { sizeBytes: length, sha256: hashes.sha256 ?? '' }] as const,
  )
  return {
    about: signed.flotilla,
    files: new Map(files),
    rootVersion: parseRoot(root).signed.version,
    timestampVersion: time.version,
    targetsVersion: signed.version,
    expiresAtMs: timeOf(time.expires),
  }
}

/** tuf-js takes what is no time for one that never comes. */
function timeOf(text: string): number {
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) throw new Error(`not a time: ${text}`)
  return ms
}

function readHeld(folder: string, name: string): Promise<Buffer | undefined> {
  return findFileBytes(join(folder, name))
}
