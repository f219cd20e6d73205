import { readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { makeFolder, syncFile, syncFolder, temporaryPath, writeFileAtomically } from '#kit/atomic-file.ts'
import { hashFile } from '#kit/hash-file.ts'
import { algorithmOf, hexOf } from '#oci/digest.ts'
import { applyPack } from './apply-pack.ts'
import type { SnapshotHolder } from './holder.ts'
import { PackRefused } from './pack-record.ts'
import type { Publication } from './publication.ts'
import { readPack } from './read-pack.ts'
import { FileUnlike, type SnapshotSource } from './snapshot-source.ts'
import { ContentsRefused, cheapestChain, type TreeContents, type TreeFile } from './tree-contents.ts'

export type FollowedPublication = {
  readonly holder: SnapshotHolder
  readonly news: PublicationNews
  /** Where the packs are. */
  readonly source: SnapshotSource
  readonly folder: string
  readonly log: (error: unknown) => void
  /** A chain of more packs than this becomes one of at most half as many: packs that span more generations take the place of those
   *  that came one by one. */
  readonly maxPacks: number
}

export type PublicationNews = {
  /** Verified; undefined: nothing new since what was taken. */
  next(): Promise<TreeContents | undefined>
  /** What came last is held now. */
  taken(): void
}

type Chain = readonly TreeFile[]

/** Packs to apply, in order; `base` undefined: they begin with a whole one. */
type Way = { readonly base: Publication | undefined; readonly packs: Chain }

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
      this.#about.holder.takePublication(await this.#build(chain))
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

  /** Goes around a pack that cannot be used, when others lead there too. Throws what was wrong with the first one. */
  async #advance(held: Publication | undefined, contents: TreeContents): Promise<void> {
    const unusable = new Map<TreeFile, unknown>()
    for (;;) {
      const way = this.#plan(held, contents, unusable)
      if (way.packs.length === 0) throw [...unusable.values()][0]
      const followed = await this.#follow(way)
      if ('unusable' in followed) {
        unusable.set(followed.unusable, followed.error)
        continue
      }
      for (const error of unusable.values()) this.#about.log(error)
      const chain = way.base ? [...this.#chain, ...way.packs] : way.packs
      return await this.#take(followed, chain, contents.generation)
    }
  }

  async #take(publication: Publication, chain: Chain, generation: number): Promise<void> {
    if (publication.generation !== generation) throw new PackRefused('the packs do not lead to what the tree names')
    await writeFileAtomically(this.#chainPath, `${JSON.stringify({ format: 1, chain })}\n`)
    this.#about.holder.takePublication(publication)
    this.#chainBefore = this.#chain
    this.#chain = chain
    await this.#forget()
  }

  #plan(held: Publication | undefined, contents: TreeContents, unusable: { has(pack: TreeFile): boolean }): Way {
    const packs = contents.packs.filter((pack) => !unusable.has(pack))
    const { generation } = contents
    const whole = cheapestChain(packs, 0, generation) ?? []
    const onward = held ? (cheapestChain(packs, held.generation, generation) ?? whole) : whole
    const isTooLong = this.#chain.length + onward.length > this.#about.maxPacks
    const isWhole = onward[0]?.from === 0
    if (isTooLong && !isWhole && whole.length > 0) {
      const damaged = this.#chain.findIndex((pack) => unusable.has(pack))
      const sound = damaged < 0 ? this.#chain : this.#chain.slice(0, damaged)
      return { base: undefined, packs: this.#shorten(sound, packs, generation) ?? whole }
    }
    return { base: isWhole ? undefined : held, packs: onward }
  }

  /** As many of the packs that are here, from the first on, as let the fewest bytes be fetched. */
  #shorten(here: Chain, packs: Chain, generation: number): Chain | undefined {
    let best: { readonly chain: Chain; readonly bytes: number } | undefined
    for (const [i, { to }] of here.entries()) {
      const onward = cheapestChain(packs, to, generation)
      if (!onward || onward[0]?.from === 0 || i + 1 + onward.length > this.#about.maxPacks / 2) continue
      const bytes = onward.reduce((sum, pack) => sum + pack.sizeBytes, 0)
      if (!best || bytes < best.bytes) best = { chain: [...here.slice(0, i + 1), ...onward], bytes }
    }
    return best?.chain
  }

  async #follow({ base, packs }: Way): Promise<Publication | { readonly unusable: TreeFile; readonly error: unknown }> {
    let publication = base
    for (const pack of packs) {
      try {
        await this.#fetch(pack)
        publication = await applyPack(publication, await readPack(this.#local(pack)))
      } catch (error) {
        if (!isOfThePack(error)) throw error
        return { unusable: pack, error }
      }
    }
    return publication!
  }

  async #build(packs: Chain): Promise<Publication> {
    let publication: Publication | undefined
    for (const pack of packs) publication = await applyPack(publication, await readPack(this.#local(pack)))
    if (!publication) throw new PackRefused('a chain of no packs')
    return publication
  }

  async #fetch(file: TreeFile): Promise<void> {
    const target = this.#local(file)
    if (await isIntact(target, file)) return
    const temporary = temporaryPath(target)
    try {
      await this.#about.source.fetch(file.path, temporary, file.sizeBytes)
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

/** Damaged, missing or unfit: another pack may do. Whatever else goes wrong would go wrong with every pack. */
function isOfThePack(error: unknown): boolean {
  return (
    error instanceof PackRefused || error instanceof FileUnlike || (error as NodeJS.ErrnoException).code === 'ENOENT'
  )
}

async function isIntact(path: string, { sizeBytes, digest }: TreeFile): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  if (found?.size !== sizeBytes) return false
  return (await hashFile(path, algorithmOf(digest))) === hexOf(digest)
}
