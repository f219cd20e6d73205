// `flotilla keys` put together: the ceremony on the data folder, and what a holder does without one.

import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Metadata, Root } from '@tufjs/models'
import type { Config } from '#config/config.ts'
import type { CeremonyResult } from '#trust/ceremony.ts'
import { describeChange, describeRoot } from '#trust/describe-change.ts'
import { signedFolder } from '#trust/file-signer.ts'
import { makeKeyFile, readPublicKey, readRootFile, reviewRoot } from '#trust/offline-root.ts'
import { openCeremony, rootsFolder } from '#trust/open-trust.ts'
import { KeyRefused } from '#trust/private-key.ts'
import { keyIdOf } from '#trust/public-key.ts'
import { epochOf } from '#trust/root-document.ts'
import { signaturesOf } from '#trust/root-signatures.ts'
import { type TrustRole, trustRoles } from '#trust/signed-document.ts'
import { SignedVersions } from '#trust/signed-versions.ts'
import { openSigner } from './open-signer.ts'

export type RoleChange = {
  readonly role: TrustRole
  readonly addFiles: readonly string[]
  readonly remove: readonly string[]
  readonly threshold: number | undefined
}

export class KeysDesk {
  readonly #config: Config

  constructor(config: Config) {
    this.#config = config
  }

  async init(rootKeyFiles: readonly string[], threshold: number) {
    const ceremony = await this.#open()
    const keys = await Promise.all(rootKeyFiles.map(readPublicKey))
    if (ceremony.roots.newest) return { isNew: false as const, ...(await this.status()) }
    return { isNew: true as const, ...this.#told(await ceremony.begin(keys, threshold)) }
  }

  async change({ role, addFiles, remove, threshold }: RoleChange) {
    const ceremony = await this.#open()
    const add = await Promise.all(addFiles.map(readPublicKey))
    return this.#told(await ceremony.change({ role, add, remove, threshold }))
  }

  async renew() {
    return this.#told(await (await this.#open()).renew())
  }

  async install(files: readonly string[]) {
    const ceremony = await this.#open()
    return this.#told(await ceremony.install(await Promise.all(files.map(readRootFile))))
  }

  /** `after`: floors given by hand; the others are the highest generations that were signed here. */
  async beginEpoch(after: Readonly<Record<string, number>>) {
    const ceremony = await this.#open()
    const signed = (await this.#signed()).flatMap(({ scope, generation }) =>
      generation === undefined ? [] : [[scope, generation] as const],
    )
    const floors = { ...(ceremony.roots.newest && epochOf(ceremony.roots.newest).after) }
    for (const [channel, generation] of signed) floors[channel] = Math.max(floors[channel] ?? 0, generation)
    for (const [channel, floor] of Object.entries(after)) this.#requireFloor(channel, floor, floors[channel] ?? 0)
    return this.#told(await ceremony.beginEpoch({ ...floors, ...after }))
  }

  async status() {
    const ceremony = await this.#open()
    const newest = ceremony.roots.newest
    const proposal = await ceremony.proposal()
    const here = await Promise.all(
      trustRoles.map(async (role) => {
        const key = await ceremony.findKey(role)
        return [role, key && keyIdOf(key)] as const
      }),
    )
    return {
      keysFolder: this.#config.keys,
      signer: this.#config.settings.signer,
      root: newest && rootView(newest, Object.fromEntries(here), this.#previousPath(newest.signed.version)),
      signed: await this.#signed(),
      proposal: proposal && {
        path: proposal.path,
        version: proposal.root.signed.version,
        changes: newest ? describeChange(newest, proposal.root) : describeRoot(proposal.root),
        needs: signaturesOf(newest, proposal.root).needs,
      },
    }
  }

  async #open() {
    const { keys, settings } = this.#config
    await requireOwner(keys)
    return openCeremony(keys, { signer: openSigner(this.#config), now: Date.now, rootMs: settings.rootLifetime })
  }

  #requireFloor(channel: string, floor: number, least: number): void {
    const { channels } = this.#config.settings
    if (!channels.includes(channel)) throw new KeyRefused(`${channel} is no channel; they are ${channels.join(', ')}`)
    if (floor < least)
      throw new KeyRefused(
        `generation ${least} of ${channel} was signed here: an epoch begins after that, not after ${floor}`,
      )
  }

  #signed() {
    return new SignedVersions(signedFolder(this.#config.keys)).list()
  }

  #previousPath(version: number): string {
    return join(rootsFolder(this.#config.keys), `${version}.root.json`)
  }

  #told({ root, before, signatures, settled, proposal }: CeremonyResult) {
    return {
      version: root.signed.version,
      expires: root.signed.expires,
      epoch: epochOf(root).epoch,
      changes: before ? describeChange(before, root) : describeRoot(root),
      isInstalled: settled !== undefined,
      replaced: settled?.replaced ?? [],
      deleted: settled?.deleted ?? [],
      needs: signatures.needs,
      proposal,
      previous: before && this.#previousPath(before.signed.version),
      keysFolder: this.#config.keys,
    }
  }
}

function rootView(root: Metadata<Root>, here: Readonly<Record<string, string | undefined>>, path: string) {
  const { version, expires, roles } = root.signed
  return {
    version,
    expires,
    path,
    ...epochOf(root),
    roles: trustRoles.map((role) => {
      const { keyIDs, threshold } = roles[role]!
      return { role, threshold, keys: keyIDs, here: keyIDs.filter((id) => id === here[role]) }
    }),
  }
}

/** Files that another user made there could not be read by the server. */
async function requireOwner(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined)
  const own = process.getuid?.()
  if (found === undefined || own === undefined || found.uid === own) return
  throw new KeyRefused(
    `${folder} belongs to user ${found.uid}, not to ${own}: run this as that user, as by sudo -u '#${found.uid}'`,
  )
}

/** What needs no data folder and no network. */
export const holderDesk = {
  makeKey: async (to: string, passphraseFile: string | undefined) =>
    makeKeyFile(to, await readPassphrase(passphraseFile)),
  review: async (files: {
    readonly rootFile: string
    readonly keyFile: string
    readonly previousFile: string | undefined
    readonly passphraseFile: string | undefined
  }) => reviewRoot({ ...files, passphrase: await readPassphrase(files.passphraseFile) }),
}

/** Its first line. */
async function readPassphrase(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  const [line = ''] = (await readFile(file, 'utf8')).split(/\r?\n/)
  if (line === '') throw new KeyRefused(`${file} holds no passphrase in its first line`)
  return line
}
