// What every Signer promises, run by each of them.

import { describe, expect, test } from 'bun:test'
import { verify } from 'node:crypto'
import { rename } from 'node:fs/promises'
import { canonicalize } from '@tufjs/canonical-json'
import { ensureNextKey, keyPath, nextKeyPath } from './file-signer.ts'
import { importPublicKey, keyIdOf } from './public-key.ts'
import { onlineRoles, type TrustRole } from './signed-document.ts'
import type { Signer } from './signer.ts'
import { SignerRefused } from './signer-refused.ts'

/** A signer with keys of its own for the online roles. `again` opens one more of the same keys and memory, as after a restart. */
export type SignerSetting = {
  readonly signer: Signer
  again(): Promise<Signer>
  /** Opens one of other keys in the same place, with the memory of before. */
  withNewKeys(): Promise<Signer>
}

/** New keys for the online roles where the old ones lie. */
export async function replaceOnlineKeys(keys: string): Promise<void> {
  for (const role of onlineRoles) {
    await ensureNextKey(keys, role)
    await rename(nextKeyPath(keys, role), keyPath(keys, role))
  }
}

export function documentOf(role: string, version: unknown, more: Record<string, unknown> = {}): Buffer {
  const about = { channel: 'stable', ...(role === 'targets' ? { generation: version } : {}), ...more }
  return Buffer.from(canonicalize({ _type: role, version, flotilla: about }))
}

export function signerContract(name: string, open: () => Promise<SignerSetting>): void {
  const refused = (asked: Promise<unknown>, message: string | RegExp) =>
    asked.then(
      () => expect.unreachable(),
      (error) => {
        expect(error).toBeInstanceOf(SignerRefused)
        expect(error.message).toMatch(message)
      },
    )

  describe(name, () => {
    test('signs with the key that it names, each role with its own', async () => {
      const { signer } = await open()
      const ids = new Set<string>()
      for (const role of onlineRoles) {
        const key = (await signer.findKey(role))!
        const bytes = documentOf(role, 1)
        const { keyid, sig } = await signer.sign(bytes)
        expect(keyid).toBe(keyIdOf(key))
        expect(verify(null, bytes, importPublicKey(key), Buffer.from(sig, 'hex'))).toBe(true)
        ids.add(keyid)
      }
      expect(ids.size).toBe(onlineRoles.length)
    })

    test('never signs backwards, after a restart neither; the same again is fine', async () => {
      const { signer, again } = await open()
      const bytes = documentOf('timestamp', 7)
      const first = await signer.sign(bytes)
      await signer.sign(documentOf('timestamp', 9))
      await refused(signer.sign(bytes), 'timestamp 7 of stable is older than 9')
      const restarted = await again()
      await refused(restarted.sign(documentOf('timestamp', 8)), /older than 9.*Restoring a backup/)
      await restarted.sign(documentOf('timestamp', 9))
      expect(await restarted.highestVersion('timestamp', 'stable')).toBe(9)
      expect(first.sig).toHaveLength(128)
    })

    test('nor a lower generation under a higher version', async () => {
      const { signer } = await open()
      await signer.sign(documentOf('targets', 3, { generation: 30 }))
      await refused(
        signer.sign(documentOf('targets', 4, { generation: 29 })),
        'generation 29 of stable is older than 30',
      )
      await signer.sign(documentOf('targets', 4, { generation: 30 }))
    })

    test('channels and roles are apart', async () => {
      const { signer } = await open()
      await signer.sign(documentOf('snapshot', 5))
      await signer.sign(documentOf('snapshot', 1, { channel: 'testing' }))
      await signer.sign(documentOf('timestamp', 1))
      const heights = ['stable', 'testing', 'other'].map((scope) => signer.highestVersion('snapshot', scope))
      expect(await Promise.all(heights)).toEqual([5, 1, 0])
    })

    test('versions count on over a change of keys; what the new key may sign is its own affair', async () => {
      const { signer, withNewKeys } = await open()
      await signer.sign(documentOf('timestamp', 12))
      const changed = await withNewKeys()
      expect(await changed.highestVersion('timestamp', 'stable')).toBe(12)
      await changed.sign(documentOf('timestamp', 2))
    })

    test('signed by many at once: the highest is kept, and no later one is lower', async () => {
      const { signer, again } = await open()
      const signers = [signer, await again()]
      const versions = Array.from({ length: 12 }, (_, i) => 1 + ((i * 7) % 12))
      const done = await Promise.allSettled(
        versions.map((one, i) => signers[i % 2]!.sign(documentOf('timestamp', one))),
      )
      const failed = done.filter((one) => one.status === 'rejected')
      for (const { reason } of failed) expect(reason).toBeInstanceOf(SignerRefused)
      expect(await signer.highestVersion('timestamp', 'stable')).toBe(12)
      await refused(signer.sign(documentOf('timestamp', 11)), 'older than 12')
    })

    const strange: [string, Uint8Array, RegExp][] = [
      ['nothing', Buffer.from(''), /not a JSON object/],
      ['no JSON', Buffer.from('{'), /not a JSON object/],
      ['bytes that are no text', Buffer.from([0xff, 0xfe]), /not a JSON object/],
      ['a list', Buffer.from('[]'), /not a JSON object/],
      ['a thousand lists in each other', Buffer.from('['.repeat(100_000)), /not a JSON object/],
      ['no role', documentOf('mirrors', 1), /not a role/],
      ['a role of the language', documentOf('constructor', 1), /not a role/],
      ['version 0', documentOf('timestamp', 0), /not a version/],
      ['version -1', documentOf('timestamp', -1), /not a version/],
      ['a version as text', documentOf('timestamp', '7'), /not a version/],
      ['a version beyond whole numbers', Buffer.from('{"_type":"timestamp","version":1e999}'), /not a version/],
      ['a version with a fraction', Buffer.from('{"_type":"timestamp","version":1.5}'), /not a version/],
      ['no channel', Buffer.from('{"_type":"timestamp","version":1}'), /names no channel/],
      ['a channel that is a path', documentOf('timestamp', 1, { channel: '../root' }), /names no channel/],
      [
        'a channel of the language',
        Buffer.from('{"_type":"timestamp","version":1,"__proto__":{"flotilla":{"channel":"x"}}}'),
        /names no channel/,
      ],
      ['targets without a generation', documentOf('targets', 1, { generation: 'x' }), /no generation/],
    ]
    test.each(strange)('refuses %s', async (_, bytes, message) => {
      const { signer } = await open()
      await refused(signer.sign(bytes), message)
    })

    test('of a role without a key: none is found, and nothing signed', async () => {
      const { signer } = await open()
      expect(await signer.findKey('root' as TrustRole)).toBeUndefined()
      await refused(signer.sign(Buffer.from('{"_type":"root","version":1}')), /key for root|roots are not signed/)
    })
  })
}
