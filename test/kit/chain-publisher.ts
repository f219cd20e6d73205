// A publisher with keys of its own, and the metadata of its tree by name: what readers of a chain are tested with.

import { Ceremony } from '#trust/ceremony.ts'
import type { ChainReason } from '#trust/chain-refused.ts'
import { openTrust, rootsFolder, type Trust } from '#trust/open-trust.ts'
import type { TrustedChain } from '#trust/trusted-chain.ts'
import { lifetimes } from './trust.ts'

export type ReadFile = (name: string) => Promise<Buffer | undefined>

export class ChainPublisher {
  readonly keys: string
  readonly files = new Map<string, Buffer>()
  readonly trust: Trust
  clockMs = Date.now()

  private constructor(keys: string, open: (now: () => number) => Trust) {
    this.keys = keys
    this.trust = open(() => this.clockMs)
  }

  static async start(keys: string): Promise<ChainPublisher> {
    const clock = { now: Date.now as () => number }
    const trust = await openTrust(keys, { ...lifetimes, now: () => clock.now() })
    return new ChainPublisher(keys, (now) => {
      clock.now = now
      return trust
    })
  }

  get tree() {
    return this.trust.tree
  }

  /** As `flotilla keys` opens it, beside a running server. */
  ceremony(): Promise<Ceremony> {
    const { rootMs } = lifetimes
    const parts = { folder: this.keys, rootsFolder: rootsFolder(this.keys), signer: undefined, rootMs }
    return Ceremony.open({ ...parts, now: () => this.clockMs })
  }

  async publish(generation: number, channel = 'stable'): Promise<void> {
    const entry = { path: `lists/${generation}.gz`, sizeBytes: generation, digest: `sha256:${'a'.repeat(64)}` }
    const about = { format: 1, channel, generation, createdAtMs: this.clockMs } as const
    for (const { name, bytes } of await this.tree.signContents(about, [entry])) this.files.set(name, bytes)
  }

  /** As the worker does each minute; what the tree holds is signed again where it has to be. */
  async upkeep(generation: number): Promise<void> {
    await this.trust.upkeep()
    const again = await this.tree.resign(this.read)
    if (!again) return await this.publish(generation)
    for (const { name, bytes } of again) this.files.set(name, bytes)
  }

  /** Its files as they are now, with others in their place; `undefined` takes one away. */
  with(changes: Readonly<Record<string, Buffer | string | undefined>>): ReadFile {
    const files = new Map(this.files)
    for (const [name, bytes] of Object.entries(changes)) {
      if (bytes === undefined) files.delete(name)
      else files.set(name, Buffer.from(bytes))
    }
    return async (name) => files.get(name)
  }

  readonly read: ReadFile = async (name) => this.files.get(name)
}

/** Why the chain was not taken; `none`: it was. */
export async function refusal(chain: TrustedChain, read: ReadFile): Promise<ChainReason | 'none' | string> {
  return chain.refresh(read).then(
    () => 'none',
    (error) => error.reason ?? error.message,
  )
}
