// Writes what a tree's readers verify: targets (what the generation consists of), snapshot, timestamp. Each names the next by version,
// length and digest, so that nothing of two states can be mixed.

import { createHash } from 'node:crypto'
import { Metadata, MetadataKind, MetaFile, type Root, Snapshot, TargetFile, Targets, Timestamp } from '@tufjs/models'
import { encodeMetadata, signedBytes, withSignatures } from './metadata-bytes.ts'
import type { RootChain } from './root-chain.ts'
import { tufTime } from './root-document.ts'
import { onlineRoles } from './signed-document.ts'
import type { Signer } from './signer.ts'

/** A file of the tree that readers shall believe. `digest` is sha256. */
export type TargetEntry = { readonly path: string; readonly sizeBytes: number; readonly digest: string }

/** What targets say beside the files: `channel` and `generation` are read by signers and by whoever polls. */
export type TargetsAbout = {
  readonly format: 1
  readonly channel: string
  readonly generation: number
  readonly createdAtMs: number
}

export type Lifetimes = {
  /** How long a reader may go without news before it suspects that somebody holds them back. */
  readonly timestampMs: number
  /** Of snapshot and targets. */
  readonly metadataMs: number
}

const mostTries = 5
/** Between the clocks of several signers. */
const clockToleranceMs = 3_600_000

/** A file below `metadata/`, to be written in the order given. */
export type MetadataFile = { readonly name: string; readonly bytes: Buffer }

export class TreeSigner {
  readonly #signer: Signer
  readonly #roots: RootChain
  readonly #lifetimes: Lifetimes
  readonly #now: () => number

  constructor(signer: Signer, roots: RootChain, lifetimes: Lifetimes, now: () => number) {
    this.#signer = signer
    this.#roots = roots
    this.#lifetimes = lifetimes
    this.#now = now
  }

  /** The generations of a channel count on from here: what lies before was signed in an epoch that is over. */
  async generationFloor(channel: string): Promise<number> {
    await this.#roots.reload()
    return this.#roots.floorOf(channel)
  }

  /** Roots first, timestamp last: whoever reads between two writes still sees one whole state. */
  async signContents(about: TargetsAbout, entries: readonly TargetEntry[]): Promise<MetadataFile[]> {
    return await this.#underOneRoot((root) => this.#signAll(root, about, entries))
  }

  /** Says again, without change, that what is there is the newest. Undefined: it has to be signed anew by `signContents`, because
   *  its keys have changed or half of its life is over. */
  async resign(files: (name: string) => Promise<Buffer | undefined>): Promise<MetadataFile[] | undefined> {
    return await this.#underOneRoot((root) => this.#resignTimestamp(root, files))
  }

  async #signAll(root: Metadata<Root>, about: TargetsAbout, entries: readonly TargetEntry[]): Promise<MetadataFile[]> {
    const { channel, generation } = about
    const [timestampVersion, snapshotVersion, targetsVersion] = await Promise.all(
      onlineRoles.map(async (role) => (await this.#signer.highestVersion(role, channel)) + 1),
    )
    const scope = { format: 1, channel }
    const targets = await this.#seal(
      root,
      new Targets({
        ...this.#common(targetsVersion!, this.#lifetimes.metadataMs, { ...about }),
        targets: Object.fromEntries(entries.map((entry) => [entry.path, toTarget(entry)])),
      }),
    )
    const snapshot = await this.#seal(
      root,
      new Snapshot({
        ...this.#common(snapshotVersion!, this.#lifetimes.metadataMs, scope),
        meta: { 'targets.json': toMeta(targetsVersion!, targets) },
      }),
    )
    const names = { channel, generation, snapshotVersion: snapshotVersion! }
    return [
      ...this.rootFiles(),
      { name: `${targetsVersion}.targets.json`, bytes: targets },
      { name: `${snapshotVersion}.snapshot.json`, bytes: snapshot },
      await this.#signTimestamp(root, timestampVersion!, names, snapshot),
    ]
  }

  async #resignTimestamp(
    root: Metadata<Root>,
    files: (name: string) => Promise<Buffer | undefined>,
  ): Promise<MetadataFile[] | undefined> {
    const before = await this.#readHeld(root, files)
    if (!before) return undefined
    const { timestamp, snapshot, about } = before
    const isFresh = this.#isFresh(timestamp.signed.expires, this.#lifetimes.timestampMs)
    if (isFresh && before.isSignedByNewest && (await files(`${root.signed.version}.root.json`))) return []
    const version = (await this.#signer.highestVersion('timestamp', about.channel)) + 1
    const names = { ...about, snapshotVersion: timestamp.signed.snapshotMeta.version }
    return [...this.rootFiles(), await this.#signTimestamp(root, version, names, snapshot)]
  }

  /** What was signed while a new root came would be of two states: then all of it is signed once more. */
  async #underOneRoot<T>(work: (root: Metadata<Root>) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      await this.#roots.reload()
      const root = this.#roots.newest
      if (!root) throw new Error('there is no root yet: `flotilla keys init` makes one')
      const [outcome] = await Promise.allSettled([work(root)])
      await this.#roots.reload()
      if (this.#roots.newest === root) {
        if (outcome.status === 'rejected') throw outcome.reason
        return outcome.value
      }
      if (tries === mostTries) throw new Error('roots are installed faster than a tree can be signed')
    }
  }

  rootFiles(): MetadataFile[] {
    return this.#roots.files.map(({ bytes, root }) => ({ name: `${root.signed.version}.root.json`, bytes }))
  }

  async #signTimestamp(
    root: Metadata<Root>,
    version: number,
    names: { readonly channel: string; readonly generation: number; readonly snapshotVersion: number },
    snapshot: Buffer,
  ): Promise<MetadataFile> {
    const { channel, generation, snapshotVersion } = names
    const timestamp = new Timestamp({
      ...this.#common(version, this.#lifetimes.timestampMs, { format: 1, channel, generation }),
      snapshotMeta: toMeta(snapshotVersion, snapshot),
    })
    return { name: 'timestamp.json', bytes: await this.#seal(root, timestamp) }
  }

  #common(version: number, lifeMs: number, flotilla: Record<string, string | number>) {
    const expires = tufTime(new Date(this.#now() + lifeMs))
    return { version, specVersion: '1.0.31', expires, unrecognizedFields: { flotilla } }
  }

  /** Not what was signed by a clock that was ahead: nobody would notice for too long that news are held back. */
  #isFresh(expires: string, lifeMs: number): boolean {
    const leftMs = Date.parse(expires) - this.#now()
    return leftMs > lifeMs / 2 && leftMs <= lifeMs + clockToleranceMs
  }

  /** Nothing leaves that a reader who has this root would refuse: a key that it does not name, or a signature that is none. */
  async #seal(root: Metadata<Root>, signed: Targets | Snapshot | Timestamp): Promise<Buffer> {
    const unsigned = new Metadata(signed as Targets)
    const metadata = withSignatures(unsigned, [await this.#signer.sign(signedBytes(unsigned))])
    try {
      root.verifyDelegate(signed.type, metadata)
    } catch (error) {
      const advice = "root names another key for it than the signer's: see `flotilla keys status`"
      throw new Error(
        `${signed.type} ${signed.version} was not signed as root ${root.signed.version} asks: ${advice}`,
        {
          cause: error,
        },
      )
    }
    return encodeMetadata(metadata)
  }

  async #readHeld(root: Metadata<Root>, files: (name: string) => Promise<Buffer | undefined>) {
    const timestampBytes = await files('timestamp.json')
    if (!timestampBytes) return undefined
    const timestamp = Metadata.fromJSON(MetadataKind.Timestamp, JSON.parse(timestampBytes.toString()))
    const snapshot = await files(`${timestamp.signed.snapshotMeta.version}.snapshot.json`)
    if (!snapshot) return undefined
    const parsed = Metadata.fromJSON(MetadataKind.Snapshot, JSON.parse(snapshot.toString()))
    const targetsBytes = await files(`${parsed.signed.meta['targets.json']?.version}.targets.json`)
    if (!targetsBytes) return undefined
    const targets = Metadata.fromJSON(MetadataKind.Targets, JSON.parse(targetsBytes.toString()))
    const { metadataMs } = this.#lifetimes
    const areFresh = [parsed, targets].every((one) => this.#isFresh(one.signed.expires, metadataMs))
    if (!areFresh || !isSigned(root, MetadataKind.Snapshot, parsed) || !isSigned(root, MetadataKind.Targets, targets))
      return undefined
    const about = timestamp.signed.unrecognizedFields.flotilla as { channel: string; generation: number }
    return { timestamp, snapshot, about, isSignedByNewest: isSigned(root, MetadataKind.Timestamp, timestamp) }
  }
}

function isSigned(root: Metadata<Root>, role: MetadataKind, one: Metadata<Timestamp | Snapshot | Targets>): boolean {
  try {
    root.verifyDelegate(role, one)
    return true
  } catch {
    return false
  }
}

function toTarget({ path, sizeBytes, digest }: TargetEntry): TargetFile {
  return new TargetFile({ path, length: sizeBytes, hashes: { sha256: digest.slice(digest.indexOf(':') + 1) } })
}

function toMeta(version: number, bytes: Buffer): MetaFile {
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return new MetaFile({ version, length: bytes.length, hashes: { sha256 } })
}
