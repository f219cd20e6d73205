// Keeps the publication as the signed metadata have it: fetches the packs that lead from what is held to what is published, checks
// them, applies them, and keeps them in a folder from which the next start needs nobody.
//
//   <folder>/chain.json          the packs that made the publication, in order
//   <folder>/catalogue/*.pack    their bytes: manifests and small blobs are served from here
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { makeFolder, syncFile, syncFolder, temporaryPath, writeFileAtomically } from '#kit/atomic-file.ts'
import { algorithmOf, hexOf } from '#oci/digest.ts'
import { applyPack } from './apply-pack.ts'
import type { SnapshotHolder } from './holder.ts'
import { PackRefused } from './pack-record.ts'
import type { Publication } from './publication.ts'
import { readPack } from './read-pack.ts'
import type { SnapshotSource } from './snapshot-source.ts'
import { ContentsRefused, cheapestChain, type TreeContents, type TreeFile } from './tree-contents.ts'

export type FollowedPublication = {
  readonly holder: SnapshotHolder
  readonly news: PublicationNews
  /** Where the packs are. */
  readonly source: SnapshotSource
  readonly folder: string
  readonly log: (error: unknown) => void
  /** A chain of more packs than this becomes one of at most half as many, by packs that span more of its generations. */
  readonly maxPacks: number
}

export type PublicationNews = {
  /** Verified; undefined: nothing new since what was taken. */
  next(): Promise<TreeContents | undefined>
  /** What came last is held now. */
  taken(): void
}

type Chain = readonly TreeFile[]

export class PublicationFollower {
  readonly #about: FollowedPublication
  readonly #packs: string
  #chain: Chain = []
  /** Its packs may still be read by requests that began before the last change. */
  #chainBefore: Chain = []

  private constructor(about: FollowedPublication) {
    this.#about = about
    this.#packs = join(about.folder, 'catalogue')
  }

  /** Takes what the last run left. */
  static async open(about: FollowedPublication): Promise<PublicationFollower> {
    const follower = new PublicationFollower(about)
    await makeFolder(follower.#packs)
    await follower.#restore()
    return follower
  }

  async #restore(): Promise<void> {
    try {
      const { chain } = JSON.parse(await readFile(this.#chainPath, 'utf8')) as { chain: Chain }
      for (const pack of chain)
        if (!(await isIntact(this.#local(pack), pack))) throw new PackRefused(`${pack.path} is not as it was fetched`)
      this.#about.holder.takePublication(await this.#build(undefined, chain))
      this.#chain = chain
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#about.log(error)
    }
  }

  get #chainPath(): string {
    return join(this.#about.folder, 'chain.json')
  }

  #local(file: TreeFile): string {
    return join(this.#packs, basename(file.path))
  }

  /** Looks for news. Throws when it is refused or cannot be had; what is held stays. */
  async step(): Promise<void> {
    const { news, holder } = this.#about
    const contents = await news.next()
    if (!contents) return
    const held = holder.current.publication?.publication
    if (held && contents.generation < held.generation) {
      throw new ContentsRefused(`the tree goes back from generation ${held.generation} to ${contents.generation}`)
    }
    if (!held || contents.generation > held.generation) await this.#advance(held, contents)
    news.taken()
  }

  async #advance(held: Publication | undefined, contents: TreeContents): Promise<void> {
    const whole = cheapestChain(contents.packs, 0, contents.generation) ?? []
    let { base, chain, packs } = this.#plan(held, contents) ?? { base: undefined, chain: whole, packs: whole }
    for (const pack of packs) await this.#fetch(pack)
    let publication: Publication
    try {
      publication = await this.#build(base, packs)
    } catch (error) {
      if (!(error instanceof PackRefused) || base === undefined) throw error
      this.#about.log(error)
      for (const pack of whole) await this.#fetch(pack)
      chain = whole
      publication = await this.#build(undefined, whole)
    }
    if (publication.generation !== contents.generation)
      throw new PackRefused('the packs do not lead to what the tree names')
    await writeFileAtomically(this.#chainPath, `${JSON.stringify({ format: 1, chain })}\n`)
    this.#about.holder.takePublication(publication)
    this.#chainBefore = this.#chain
    this.#chain = chain
    await this.#forget()
  }

  /** Undefined: there is nothing to go on from. */
  #plan(
    held: Publication | undefined,
    { packs, generation }: TreeContents,
  ): { base: Publication | undefined; chain: Chain; packs: Chain } | undefined {
    const onward = held && cheapestChain(packs, held.generation, generation)
    if (!held || !onward || onward[0]?.from === 0) return undefined
    const chain = [...this.#chain, ...onward]
    if (chain.length <= this.#about.maxPacks) return { base: held, chain, packs: onward }
    const shorter = this.#shorten(packs, generation)
    return shorter && { base: undefined, chain: shorter, packs: shorter }
  }

  /** Of the packs that are here as many from the first on as let the fewest bytes be fetched. */
  #shorten(packs: Chain, generation: number): Chain | undefined {
    let best: { readonly chain: Chain; readonly bytes: number } | undefined
    for (const [i, { to }] of this.#chain.entries()) {
      const onward = cheapestChain(packs, to, generation)
      if (!onward || onward[0]?.from === 0 || i + 1 + onward.length > this.#about.maxPacks / 2) continue
      const bytes = onward.reduce((sum, pack) => sum + pack.sizeBytes, 0)
      if (!best || bytes < best.bytes) best = { chain: [...this.#chain.slice(0, i + 1), ...onward], bytes }
    }
    return best?.chain
  }

  async #build(base: Publication | undefined, packs: Chain): Promise<Publication> {
    let publication = base
    for (const pack of packs) publication = applyPack(publication, await readPack(this.#local(pack)))
    if (!publication) throw new PackRefused('a chain of no packs')
    return publication
  }

  async #fetch(file: TreeFile): Promise<void> {
    const target = this.#local(file)
    if (await isIntact(target, file)) return
    const temporary = temporaryPath(target)
    try {
      await this.#about.source.fetch(file.path, temporary)
      if (!(await isIntact(temporary, file))) throw new PackRefused(`${file.path} is not what the tree names`)
      await syncFile(temporary)
      await rename(temporary, target)
      await syncFolder(this.#packs)
    } finally {
      await rm(temporary, { force: true })
    }
  }

  async #forget(): Promise<void> {
    const kept = new Set([...this.#chain, ...this.#chainBefore].map(({ path }) => basename(path)))
    for (const name of await readdir(this.#packs))
      if (!kept.has(name)) await rm(join(this.#packs, name), { force: true })
  }
}

async function isIntact(path: string, { sizeBytes, digest }: TreeFile): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  if (found?.size !== sizeBytes) return false
  const hash = createHash(algorithmOf(digest))
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex') === hexOf(digest)
}
