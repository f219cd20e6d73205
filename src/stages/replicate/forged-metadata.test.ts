// Sources that show what was signed once, or by whom it should not be. Each is refused in words, and the copy stays as it was.

import { afterEach, beforeEach, expect, test } from 'bun:test'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { ensureKey, FileSigner } from '#trust/file-signer.ts'
import { encodeMetadata, signedBytes, withSignatures } from '#trust/metadata-bytes.ts'
import { rootsFolder } from '#trust/open-trust.ts'
import type { PublicKey } from '#trust/public-key.ts'
import { RootChain } from '#trust/root-chain.ts'
import { makeRoot, type RootKeys } from '#trust/root-document.ts'
import { type TrustRole, trustRoles } from '#trust/signed-document.ts'
import { PublishedTree } from '../../../test/kit/published-tree.ts'
import { runReplicate } from '../../../test/kit/run-replicate.ts'
import { startTreeOrigin, type TreeOrigin } from '../../../test/kit/tree-origin.ts'
import { dayMs } from '../../../test/kit/trust.ts'

let root: string
let tree: PublishedTree
let origin: TreeOrigin
let client: OutboundClient

beforeEach(async () => {
  client = new OutboundClient({ allowPrivate: true, userAgent: 'flotilla/test' })
  root = await mkdtemp(join(tmpdir(), 'forged-'))
  await start(await PublishedTree.make(join(root, 'tree'), join(root, 'keys')))
})
afterEach(async () => {
  await origin.listener.stop(100)
  await client[Symbol.asyncDispose]()
  await rm(root, { recursive: true })
})

async function start(made: PublishedTree): Promise<void> {
  await origin?.listener.stop(100)
  tree = made
  await publish()
  origin = startTreeOrigin(tree.folder)
}

async function publish(): Promise<void> {
  await tree.add(crypto.getRandomValues(new Uint8Array(50_000)))
  await tree.publish()
}

const run = (nowMs = Date.now()) =>
  runReplicate(client, { from: [origin.url], to: join(root, 'copy'), graceMs: 0 }, { now: () => nowMs })
const metadata = (name: string) => join(tree.folder, 'metadata', name)

async function shown(): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  for (const entry of await readdir(join(root, 'copy'), { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile() && !path.includes('/.replicate/')) files.set(path, (await readFile(path)).toString('latin1'))
  }
  return files
}

const attacks: [string, () => Promise<number | undefined>, string, RegExp][] = [
  [
    'an older timestamp',
    async () => {
      const old = await readFile(metadata('timestamp.json'))
      await publish()
      await run()
      await writeFile(metadata('timestamp.json'), old)
      return undefined
    },
    'backwards',
    /something newer was seen before/,
  ],
  ['a frozen timestamp', async () => Date.now() + 4 * dayMs, 'expired', /expired.*holds news back|clock here is wrong/],
  [
    'targets of another state',
    async () => {
      const old = await readFile(metadata('1.targets.json'))
      await publish()
      await writeFile(metadata('2.targets.json'), old)
      return undefined
    },
    'mixed',
    /do not belong together/,
  ],
  [
    'a snapshot of another state',
    async () => {
      const old = await readFile(metadata('1.snapshot.json'))
      await publish()
      await writeFile(metadata('2.snapshot.json'), old)
      return undefined
    },
    'mixed',
    /do not belong together/,
  ],
  [
    'keys of a stranger',
    async () => {
      const stranger = await PublishedTree.make(join(root, 'stranger'), join(root, 'stranger-keys'))
      for (let n = 0; n < 3; n++) await stranger.publish()
      await cp(join(stranger.folder, 'metadata'), join(tree.folder, 'metadata'), { recursive: true })
      return undefined
    },
    'untrusted',
    /not the keys that are trusted here/,
  ],
  [
    'a root of a stranger',
    async () => {
      const stranger = await PublishedTree.make(join(root, 'stranger'), join(root, 'stranger-keys'))
      await stranger.publish()
      const { signed, signatures } = JSON.parse(await readFile(join(stranger.folder, 'metadata/1.root.json'), 'utf8'))
      await writeFile(metadata('2.root.json'), JSON.stringify({ signed: { ...signed, version: 2 }, signatures }))
      return undefined
    },
    'untrusted',
    /not the keys that are trusted here/,
  ],
  [
    'a changed generation under the old signature',
    async () => {
      await publish()
      const text = await readFile(metadata('timestamp.json'), 'utf8')
      await writeFile(metadata('timestamp.json'), text.replaceAll('"version":2', '"version":9'))
      return undefined
    },
    'untrusted',
    /not the keys that are trusted here/,
  ],
]

test.each(attacks)('%s', async (_, attack, reason, words) => {
  await run()
  const nowMs = await attack()
  const before = await shown()
  await expect(run(nowMs)).rejects.toMatchObject({ reason, message: expect.stringMatching(words) })
  expect(await shown()).toEqual(before)
})

test('a root that too few of the keys before it signed', async () => {
  const keys = join(root, 'keys-of-two')
  for (const folder of [keys, join(root, 'second')]) for (const role of trustRoles) await ensureKey(folder, role)
  const [first, second] = [new FileSigner(keys), new FileSigner(join(root, 'second'))]
  const keysOf = async (role: TrustRole) => {
    const found = [await first.findKey(role), ...(role === 'root' ? [await second.findKey(role)] : [])]
    return { keys: found as PublicKey[], threshold: found.length }
  }
  const found = await Promise.all(trustRoles.map(async (role) => [role, await keysOf(role)] as const))
  const rootOf = async (version: number, signers: readonly FileSigner[]) => {
    const expires = new Date(Date.now() + 365 * dayMs)
    const made = makeRoot(version, Object.fromEntries(found) as unknown as RootKeys, expires, { epoch: 1, after: {} })
    const signatures = await Promise.all(signers.map((signer) => signer.sign(signedBytes(made))))
    return encodeMetadata(withSignatures(made, signatures))
  }
  const roots = await RootChain.open(rootsFolder(keys))
  await roots.install(await rootOf(1, [first, second]))
  await start(await PublishedTree.make(join(root, 'tree-of-two'), keys))
  await run()
  const before = await shown()
  await writeFile(metadata('2.root.json'), await rootOf(2, [first]))
  await expect(run()).rejects.toMatchObject({ reason: 'untrusted', message: expect.stringMatching(/1\/2 keys/) })
  expect(await shown()).toEqual(before)
  await writeFile(metadata('2.root.json'), await rootOf(2, [first, second]))
  expect(await run()).toMatchObject({ outcome: 'refreshed' })
  expect(await readFile(join(root, 'copy/metadata/2.root.json'))).toEqual(await readFile(metadata('2.root.json')))
})
