import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureKey, ensureNextKey, FileSigner, keyPath, nextKeyPath } from './file-signer.ts'
import { newPrivateKeyPem, parsePrivateKey } from './private-key.ts'
import { keyIdOf } from './public-key.ts'
import { onlineRoles } from './signed-document.ts'
import { signerContract } from './signer-contract.ts'

let folder: string
let count = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'file-signer-'))
})
afterAll(() => rm(folder, { recursive: true }))

signerContract('a signer of files', async () => {
  const keys = join(folder, `contract-${count++}`)
  for (const role of onlineRoles) await ensureKey(keys, role)
  return {
    signer: new FileSigner(keys),
    again: async () => new FileSigner(keys),
    async withNewKeys() {
      for (const role of onlineRoles) {
        await ensureNextKey(keys, role)
        await rename(nextKeyPath(keys, role), keyPath(keys, role))
      }
      return new FileSigner(keys)
    },
  }
})

describe('the key file', () => {
  test('is made once, however many start at the same time, and only its owner can read it', async () => {
    const keys = join(folder, 'race/keys')
    const made = await Promise.all(Array.from({ length: 8 }, () => ensureKey(keys, 'targets')))
    expect(new Set(made.map(keyIdOf)).size).toBe(1)
    expect((await stat(keys)).mode & 0o777).toBe(0o700)
    expect((await stat(keyPath(keys, 'targets'))).mode & 0o777).toBe(0o600)
    expect(await ensureKey(keys, 'targets')).toEqual(made[0]!)
  })

  test('of another kind, or damaged, is refused with its path', async () => {
    const keys = join(folder, 'rsa')
    await ensureKey(keys, 'targets')
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    await writeFile(keyPath(keys, 'targets'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
    const signer = new FileSigner(keys)
    await expect(signer.findKey('targets')).rejects.toThrow('targets.key holds no Ed25519 key')
    await writeFile(keyPath(keys, 'targets'), 'rubbish')
    await expect(signer.findKey('targets')).rejects.toThrow('targets.key holds no private key (PEM)')
  })

  test('with a passphrase opens with that one only', () => {
    const pem = newPrivateKeyPem('open sesame')
    expect(pem).toContain('ENCRYPTED')
    expect(parsePrivateKey(pem, 'a.key', 'open sesame').asymmetricKeyType).toBe('ed25519')
    expect(() => parsePrivateKey(pem, 'a.key', 'open barley')).toThrow('or the passphrase is another')
    expect(() => parsePrivateKey(pem, 'a.key')).toThrow('a.key is encrypted')
  })
})
