// The chain of roots: who may sign what, each root signed by a threshold of the keys of the one before and of its own (TUF 1.0
// section 5.3). One chain for all channels of an installation; every tree carries it whole.
//
//   <folder>/<n>.root.json    n from 1, without a gap

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Metadata, MetadataKind, type Root } from '@tufjs/models'
import { createFileAtomically, makeFolder } from '#kit/atomic-file.ts'
import { epochOf, parseRoot, RootRefused, requireSound } from './root-document.ts'

const publicFileMode = 0o644
const privateFolderMode = 0o700
const namePattern = /^([1-9][0-9]{0,8})\.root\.json$/

export class RootChain {
  readonly #folder: string
  #files: readonly { readonly bytes: Buffer; readonly root: Metadata<Root> }[]

  private constructor(folder: string, files: RootChain['files']) {
    this.#folder = folder
    this.#files = files
  }

  /** Throws RootRefused when a file of the chain is missing or does not follow. */
  static async open(folder: string): Promise<RootChain> {
    return new RootChain(folder, await readRoots(folder))
  }

  /** Takes what was installed meanwhile. */
  async reload(): Promise<void> {
    const count = await countRoots(this.#folder)
    if (count !== this.#files.length) this.#files = await readRoots(this.#folder)
  }

  get files(): readonly { readonly bytes: Buffer; readonly root: Metadata<Root> }[] {
    return this.#files
  }

  /** Undefined before the first one. */
  get newest(): Metadata<Root> | undefined {
    return this.#files.at(-1)?.root
  }

  /** The last generation of the channel that belongs to an epoch that is over; 0: there was none. */
  floorOf(channel: string): number {
    const after = this.newest ? epochOf(this.newest).after : {}
    return Object.hasOwn(after, channel) ? after[channel]! : 0
  }

  /** Adds the next root. Throws RootRefused unless both thresholds are met. */
  async install(bytes: Buffer): Promise<void> {
    const root = parseRoot(bytes)
    verifyNext(this.newest, root)
    await makeFolder(this.#folder, privateFolderMode)
    const name = `${root.signed.version}.root.json`
    const isMade = await createFileAtomically(join(this.#folder, name), bytes, publicFileMode)
    if (!isMade && !(await readFile(join(this.#folder, name))).equals(bytes)) {
      throw new RootRefused(`there is another ${name} already: make the change anew upon it`)
    }
    this.#files = await readRoots(this.#folder)
  }
}

/** Throws RootRefused unless `next` may follow `before` (undefined: unless it may be the first). */
export function verifyNext(before: Metadata<Root> | undefined, next: Metadata<Root>): void {
  const expected = (before?.signed.version ?? 0) + 1
  const { version } = next.signed
  if (version !== expected) throw new RootRefused(`root ${version} does not follow root ${expected - 1}`)
  requireSound(next)
  for (const [who, by] of [['the root before it', before] as const, ['itself', next] as const]) {
    try {
      by?.verifyDelegate(MetadataKind.Root, next)
    } catch (error) {
      throw new RootRefused(`root ${version} has too few signatures by keys of ${who}: ${(error as Error).message}`)
    }
  }
}

async function countRoots(folder: string): Promise<number> {
  const names = await readdir(folder).catch((error) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  })
  return Math.max(0, ...names.map((name) => Number(namePattern.exec(name)?.[1] ?? 0)))
}

async function readRoots(folder: string): Promise<RootChain['files']> {
  const files: { bytes: Buffer; root: Metadata<Root> }[] = []
  const count = await countRoots(folder)
  for (let version = 1; version <= count; version++) {
    const bytes = await readFile(join(folder, `${version}.root.json`))
    const root = parseRoot(bytes)
    verifyNext(files.at(-1)?.root, root)
    files.push({ bytes, root })
  }
  return files
}
