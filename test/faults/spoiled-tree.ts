// A published tree at generation 2, which tests spoil, and a copy that the script made of generation 1.

import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf } from '#blobs/hashing.ts'
import type { Digest } from '#oci/digest.ts'
import type { Ended, Environment } from '../kit/process.ts'
import { PublishedTree } from '../kit/published-tree.ts'
import { runScript } from '../kit/rsync-script.ts'

export const host = 'mirror.example.org'
export const bytesOf = (text: string) => new TextEncoder().encode(text.repeat(3000))

// biome-ignore lint/suspicious/noExplicitAny: JSON that the tests spoil on purpose.
export type Change = (value: Record<string, any>) => void
export type Forgery = { readonly targets?: Change; readonly snapshot?: Change; readonly timestamp?: Change }

export class SpoiledTree implements AsyncDisposable {
  readonly root: string
  readonly base: string
  /** Of generation 1, and what generation 2 adds. */
  readonly first: Digest
  readonly second: Digest
  from = ''
  to = ''
  #count = 0

  private constructor(root: string, first: Digest, second: Digest) {
    this.root = root
    this.base = join(root, 'base')
    this.first = first
    this.second = second
  }

  static async make(): Promise<SpoiledTree> {
    const root = await mkdtemp(join(tmpdir(), 'spoiled-tree-'))
    const base = join(root, 'base')
    const tree = await PublishedTree.make(join(base, 'tree'), join(base, 'keys'))
    const first = await tree.add(bytesOf('first'))
    await tree.publish()
    const { code, stderr } = await runScript([tree.folder, join(base, 'copy'), host])
    if (code !== 0) throw new Error(stderr)
    const second = await tree.add(bytesOf('second'))
    await tree.publish()
    return new SpoiledTree(root, first, second)
  }

  /** As it was made, for the next test. */
  async renew(): Promise<void> {
    const folder = join(this.root, `${++this.#count}`)
    await cp(this.base, folder, { recursive: true, preserveTimestamps: true })
    this.from = join(folder, 'tree')
    this.to = join(folder, 'copy')
  }

  run(moreSources: readonly string[] = [], env: Environment = {}): Promise<Ended> {
    const more = moreSources.flatMap((one) => ['--source', one])
    return runScript([...more, this.from, this.to, host], { env: { FLOTILLA_ATTEMPTS: '3', ...env } })
  }

  /** Everything that others see of the copy below these folders, with its digest. */
  async visible(...folders: readonly string[]): Promise<string[]> {
    const lines: string[] = []
    for (const folder of folders.length > 0 ? folders : ['blobs', 'lists', 'catalogue', 'metadata', 'trace']) {
      for (const one of await readdir(join(this.to, folder), { recursive: true, withFileTypes: true })) {
        const path = join(one.parentPath, one.name)
        if (one.isFile()) lines.push(`${path} ${digestOf(await readFile(path))}`)
      }
    }
    return lines.sort()
  }

  /** Rewrites the metadata as somebody on the way might: lengths and digests agree, signatures do not. */
  async forge(change: Forgery): Promise<void> {
    const edit = async (name: string, about: Change | undefined) => {
      const path = join(this.from, 'metadata', name)
      const value = JSON.parse(await readFile(path, 'utf8'))
      about?.(value.signed)
      const bytes = Buffer.from(JSON.stringify(value))
      await writeFile(path, bytes)
      return { length: bytes.length, hashes: { sha256: digestOf(bytes).slice(7) } }
    }
    const targets = await edit('2.targets.json', change.targets)
    const snapshot = await edit('2.snapshot.json', (signed) => {
      Object.assign(signed.meta['targets.json'], targets)
      change.snapshot?.(signed)
    })
    await edit('timestamp.json', (signed) => {
      Object.assign(signed.meta['snapshot.json'], snapshot)
      change.timestamp?.(signed)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true })
  }
}
