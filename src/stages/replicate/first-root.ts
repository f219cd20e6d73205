// Whom to believe from the start: the root that was given; else what the folder trusts; else one that came with an rsync of the
// tree; else, once, the one that the source shows. And the chain of roots that a copy passes on.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { firstRootPath } from '#snapshots/tree-contents.ts'
import { chainLimits } from '#trust/chain-fetcher.ts'
import type { MetadataSource } from '#trust/poll-chain.ts'
import { verifyNext } from '#trust/root-chain.ts'
import { parseRoot, RootRefused } from '#trust/root-document.ts'
import { TrustedChain } from '#trust/trusted-chain.ts'
import { ReplicateError } from './replicate-error.ts'

/** The bytes of a root, or `sha256:<hex>` of the first one. */
export type GivenRoot = Uint8Array | string

export type RootsTools = { readonly folder: string; readonly read: MetadataSource; readonly from: string }
export type NamedBytes = { readonly name: string; readonly bytes: Buffer }

export type OpenedChain = {
  readonly chain: TrustedChain
  /** Set when the source itself said whom to believe: sha256 of its first root, to compare by eye. */
  readonly believed: string | undefined
}

export function fingerprintOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

export async function openChain(
  trustFolder: string,
  channel: string | undefined,
  given: GivenRoot | undefined,
  tools: RootsTools,
): Promise<OpenedChain> {
  const known = await TrustedChain.open(trustFolder, undefined, channel)
  if (known && given !== undefined) await requireSame(known, given, tools)
  if (known) return { chain: known, believed: undefined }
  const copied = await readFile(join(tools.folder, firstRootPath)).catch(() => undefined)
  const isFile = given !== undefined && typeof given !== 'string'
  const first = isFile ? Buffer.from(given) : (copied ?? (await fetchRoot(1, tools)))
  if (typeof given === 'string' && fingerprintOf(first) !== given) {
    const where = copied ? join(tools.folder, firstRootPath) : `${tools.from}/${firstRootPath}`
    throw new ReplicateError('untrusted', `${where} is ${fingerprintOf(first)}, not the root that was given, ${given}`)
  }
  const chain = await TrustedChain.open(trustFolder, first, channel)
  return { chain: chain!, believed: given === undefined && !copied ? fingerprintOf(first) : undefined }
}

/** A folder that trusts other keys already is not turned round by an option. */
async function requireSame(chain: TrustedChain, given: GivenRoot, tools: RootsTools): Promise<void> {
  const wanted = typeof given === 'string' ? given : fingerprintOf(given)
  const roots = await collectRoots(chain, new Map(), tools)
  if (roots.some(({ bytes }) => fingerprintOf(bytes) === wanted)) return
  const now = fingerprintOf(roots[0]!.bytes)
  const advice = 'to begin anew with the one given, remove .replicate/trust in the folder'
  throw new ReplicateError('untrusted', `the folder trusts root ${now}, not the one given, ${wanted}; ${advice}`)
}

/** All roots from the first to the one that is trusted, each verified to follow. `seen`: those that came just now, by name. */
export async function collectRoots(
  chain: TrustedChain,
  seen: ReadonlyMap<string, Uint8Array>,
  tools: RootsTools,
): Promise<NamedBytes[]> {
  const newest = await chain.root()
  const count = await chain.rootVersion()
  const roots: NamedBytes[] = []
  let before: ReturnType<typeof parseRoot> | undefined
  const take = (version: number, bytes: Uint8Array) => {
    const root = parseRoot(bytes)
    verifyNext(before, root)
    before = root
    roots.push({ name: `${version}.root.json`, bytes: Buffer.from(bytes) })
  }
  for (let version = 1; version < count; version++) {
    const name = `${version}.root.json`
    const near = seen.get(name) ?? (await readFile(join(tools.folder, 'metadata', name)).catch(() => undefined))
    try {
      take(version, near ?? (await fetchRoot(version, tools)))
    } catch (error) {
      if (!(error instanceof RootRefused) || !near) throw explain(error, tools.from)
      take(version, await fetchRoot(version, tools))
    }
  }
  try {
    take(count, newest)
  } catch (error) {
    throw explain(error, tools.from)
  }
  return roots
}

function explain(error: unknown, from: string): unknown {
  if (!(error instanceof RootRefused)) return error
  return new ReplicateError('untrusted', `the roots of ${from} do not lead to the one trusted here: ${error.message}`, {
    cause: error,
  })
}

async function fetchRoot(version: number, { read, from }: RootsTools): Promise<Buffer> {
  const name = `${version}.root.json`
  const answer = await read(name, { maxBytes: chainLimits.rootMaxLength })
  if (typeof answer === 'object') return Buffer.from(answer.bytes)
  throw new ReplicateError('source', `${from} has no metadata/${name}: is it a published tree?`)
}
