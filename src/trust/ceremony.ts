// Changes of roots on the machine that keeps the chain: proposed, signed as far as the keys here reach, installed when that is enough.
// Crash-safe in this order: new keys, proposal, root, and only then the keys take their places (key-folder.ts).

import type { Metadata, Root } from '@tufjs/models'
import { beginEpoch, changeRoot, type KeyChange, keptOnlineRoles } from './change-root.ts'
import { ensureKey, ensureNextKey, FileSigner } from './file-signer.ts'
import {
  dropProposal,
  type Proposal,
  proposalPath,
  readProposal,
  type Settled,
  settleKeys,
  writeProposal,
} from './key-folder.ts'
import { encodeMetadata, signedBytes, withSignatures } from './metadata-bytes.ts'
import { keyIdOf, type PublicKey } from './public-key.ts'
import { RootChain, verifyNext } from './root-chain.ts'
import { firstEpoch, keyIdsOf, keysOf, makeRoot, RootRefused } from './root-document.ts'
import { countedSignatures, type RootSignatures, signaturesOf } from './root-signatures.ts'
import { onlineRoles, type TrustRole, trustRoles } from './signed-document.ts'
import type { Signature, Signer } from './signer.ts'

export type CeremonyParts = {
  /** The folder of secrets. */
  readonly folder: string
  readonly rootsFolder: string
  /** Undefined: keys are files of the folder, and new ones can be made here. */
  readonly signer: Signer | undefined
  readonly rootMs: number
  readonly now: () => number
}

export type CeremonyResult = {
  readonly root: Metadata<Root>
  readonly before: Metadata<Root> | undefined
  readonly signatures: RootSignatures
  /** Undefined: it waits for signatures at `proposal`. */
  readonly settled: Settled | undefined
  readonly proposal: string
}

export class Ceremony {
  readonly #parts: CeremonyParts
  readonly #signer: Signer
  readonly #files: FileSigner
  readonly roots: RootChain

  private constructor(parts: CeremonyParts, roots: RootChain) {
    this.#parts = parts
    this.#files = new FileSigner(parts.folder)
    this.#signer = parts.signer ?? this.#files
    this.roots = roots
  }

  /** Finishes what a crash left. */
  static async open(parts: CeremonyParts): Promise<Ceremony> {
    const roots = await RootChain.open(parts.rootsFolder)
    await settleKeys(parts.folder, roots)
    return new Ceremony(parts, roots)
  }

  get signer(): Signer {
    return this.#signer
  }

  /** Undefined: no key of that role is here, or with the signer. */
  async findKey(role: TrustRole): Promise<PublicKey | undefined> {
    return await (role === 'root' ? await this.#rootSigner() : this.#signer).findKey(role)
  }

  proposal(): Promise<Proposal | undefined> {
    return readProposal(this.#parts.folder, this.roots)
  }

  /** The first root. Without `rootKeys` of the key that is made here; with them it waits for their signatures. The same again changes
   *  nothing. */
  async begin(rootKeys: readonly PublicKey[], threshold: number): Promise<CeremonyResult> {
    const { folder, signer } = this.#parts
    if (this.roots.newest)
      throw new RootRefused('there is a root already: `flotilla keys rotate root` changes its keys')
    const waiting = await this.proposal()
    if (waiting) return await this.#resume(waiting, rootKeys)
    if (!signer) for (const role of rootKeys.length > 0 ? onlineRoles : trustRoles) await ensureKey(folder, role)
    const online = { keys: [], threshold: 1 }
    const root = { keys: rootKeys.length > 0 ? rootKeys : [await this.#keyOf('root')], threshold: 1 }
    const empty = makeRoot(1, { root, timestamp: online, snapshot: online, targets: online }, new Date(0), firstEpoch)
    const changes = await Promise.all(onlineRoles.map(async (role) => ({ role, add: [await this.#keyOf(role)] })))
    const first = changeRoot(empty, 1, [{ role: 'root', threshold }, ...changes], this.#expiry())
    return await this.#offer(first, await this.#signHere(first))
  }

  /** A change of one role. With nothing to add, remove or count: a new key here instead of the present one. */
  async change(change: KeyChange): Promise<CeremonyResult> {
    const isInPlace = !change.add?.length && !change.remove?.length && change.threshold === undefined
    return await this.#propose(await this.#changed([isInPlace ? await this.#replacement(change.role) : change]))
  }

  /** All online keys anew, and floors above which every generation of the new epoch lies. */
  async beginEpoch(after: Readonly<Record<string, number>>): Promise<CeremonyResult> {
    const newest = this.#newest()
    const base = (await this.proposal())?.root ?? newest
    const changes = await Promise.all(keptOnlineRoles(base, newest).map((role) => this.#replacement(role)))
    return await this.#propose(beginEpoch(await this.#changed(changes), newest, after))
  }

  /** The same root with a later expiry. */
  async renew(): Promise<CeremonyResult> {
    return await this.#propose(await this.#changed([]))
  }

  /** Likewise by itself. Undefined: more than a quarter of its life is left, a proposal waits, or the keys that may sign
   *  it are not here. */
  async renewIfDue(): Promise<CeremonyResult | undefined> {
    const newest = this.#newest()
    const leftMs = Date.parse(newest.signed.expires) - this.#parts.now()
    if (leftMs > this.#parts.rootMs / 4 || (await this.proposal())) return undefined
    const key = await this.findKey('root')
    const { keyIDs, threshold } = newest.signed.roles.root!
    if (threshold > 1 || !key || !keyIDs.includes(keyIdOf(key))) return undefined
    return await this.renew()
  }

  /** Takes the signatures of these copies of one root together; installs it when they suffice, else keeps it as the proposal. The keys
   *  here sign nothing that comes from elsewhere. */
  async install(copies: readonly Metadata<Root>[]): Promise<CeremonyResult> {
    const [first] = copies
    if (!first) throw new RootRefused('no root was given')
    const bytes = signedBytes(first)
    if (copies.some((copy) => !signedBytes(copy).equals(bytes)))
      throw new RootRefused('these files hold different roots: all must sign one and the same')
    const newest = this.roots.newest?.signed.version ?? 0
    if (first.signed.version !== newest + 1)
      throw new RootRefused(`root ${first.signed.version} does not follow root ${newest}, the newest here`)
    const waiting = await this.proposal()
    if (waiting && !signedBytes(waiting.root).equals(bytes))
      throw new RootRefused(`${waiting.path} proposes another root ${newest + 1}: remove it, or sign that one`)
    const all = [...(waiting ? [waiting.root] : []), ...copies]
    return await this.#offer(
      first,
      all.flatMap((copy) => countedSignatures(this.roots.newest, copy)),
    )
  }

  async #propose(root: Metadata<Root>): Promise<CeremonyResult> {
    return await this.#offer(root, await this.#signHere(root))
  }

  async #offer(unsigned: Metadata<Root>, by: readonly Signature[]): Promise<CeremonyResult> {
    const { folder } = this.#parts
    const before = this.roots.newest
    const root = withSignatures(unsigned, by)
    const signatures = signaturesOf(before, root)
    const result = { root, before, signatures, proposal: proposalPath(folder) }
    if (signatures.isComplete) verifyNext(before, root)
    const bytes = encodeMetadata(root)
    await writeProposal(folder, bytes)
    if (!signatures.isComplete) return { ...result, settled: undefined }
    await this.roots.install(bytes)
    const settled = await settleKeys(folder, this.roots)
    await dropProposal(folder)
    return { ...result, settled }
  }

  async #resume({ path, root }: Proposal, rootKeys: readonly PublicKey[]): Promise<CeremonyResult> {
    const [asked, there] = [rootKeys, keysOf(root).root.keys].map((keys) => keys.map(keyIdOf).sort().join())
    if (rootKeys.length > 0 && asked !== there)
      throw new RootRefused(`${path} waits for signatures of other keys: remove it to begin anew`)
    return await this.#offer(root, countedSignatures(undefined, root))
  }

  async #changed(changes: readonly KeyChange[]): Promise<Metadata<Root>> {
    const newest = this.#newest()
    const base = (await this.proposal())?.root ?? newest
    return changeRoot(base, newest.signed.version + 1, changes, this.#expiry())
  }

  /** A key made here, instead of all of an online role, or of root's that lies here. */
  async #replacement(role: TrustRole): Promise<KeyChange> {
    const how = `\`flotilla keys rotate ${role} --add FILE.pub.json --remove ID\``
    if (this.#parts.signer && role !== 'root')
      throw new RootRefused(`keys are with the signer, which makes no new ones: make one there, then ${how}`)
    const base = (await this.proposal())?.root ?? this.#newest()
    const present = await this.#files.findKey(role)
    const ids = base.signed.roles[role]!.keyIDs
    if (role === 'root' && !(present && ids.includes(keyIdOf(present))))
      throw new RootRefused(`no key of root lies here: ${how}`)
    const next = await ensureNextKey(this.#parts.folder, role)
    const remove = role === 'root' ? [keyIdOf(present!)] : ids.filter((id) => id !== keyIdOf(next))
    return { role, add: ids.includes(keyIdOf(next)) ? [] : [next], remove }
  }

  async #signHere(root: Metadata<Root>): Promise<Signature[]> {
    const ids = [root, this.roots.newest].flatMap((one) => keyIdsOf(one, 'root'))
    const bytes = signedBytes(root)
    const signer = await this.#rootSigner()
    const key = await signer.findKey('root')
    const present = key && ids.includes(keyIdOf(key)) ? await signer.sign(bytes) : undefined
    const next = await this.#files.signWithNext(bytes)
    return [present, next].filter((one) => one !== undefined)
  }

  /** A root key may lie here while the others are with a signer elsewhere. */
  async #rootSigner(): Promise<Signer> {
    return (await this.#signer.findKey('root')) ? this.#signer : this.#files
  }

  async #keyOf(role: TrustRole): Promise<PublicKey> {
    const key = await this.findKey(role)
    if (!key)
      throw new RootRefused(
        `the signer has no key for ${role}; for root, give public parts: \`keys init --root-key FILE\``,
      )
    return key
  }

  #newest(): Metadata<Root> {
    if (!this.roots.newest) throw new RootRefused('there is no root yet: `flotilla keys init` makes one')
    return this.roots.newest
  }

  #expiry(): Date {
    return new Date(this.#parts.now() + this.#parts.rootMs)
  }
}
