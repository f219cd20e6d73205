import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFileSigner } from './file-signer.ts'
import { encodePublicKey, keyIdOf, makePublicKey, parsePublicKey } from './public-key.ts'
import { SignerRefused } from './signer.ts'
import { Verifier } from './verifier.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'file-signer-'))
})
afterAll(() => rm(folder, { recursive: true }))

const bytes = new TextEncoder().encode('what is signed')

describe('the key', () => {
  test('is made once, however many start at the same time, and only its owner can read it', async () => {
    const keys = join(folder, 'race/keys')
    const signers = await Promise.all(Array.from({ length: 8 }, () => openFileSigner(keys)))
    expect(new Set(signers.map((signer) => signer.keyId)).size).toBe(1)
    expect((await stat(keys)).mode & 0o777).toBe(0o700)
    expect((await stat(join(keys, 'pointer.key'))).mode & 0o777).toBe(0o600)
    expect((await openFileSigner(keys)).keyId).toBe(signers[0]!.keyId)
  })

  test('of another kind is refused', async () => {
    const keys = join(folder, 'rsa')
    await openFileSigner(keys)
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    await writeFile(join(keys, 'pointer.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
    await expect(openFileSigner(keys)).rejects.toThrow('no Ed25519 key')
  })
})

describe('versions', () => {
  test('never go back, not after a restart either; roles are apart; the same version may be signed again', async () => {
    const keys = join(folder, 'versions')
    const signer = await openFileSigner(keys)
    await signer.sign('pointer', 7, bytes)
    await signer.sign('pointer', 9, bytes)
    const restarted = await openFileSigner(keys)
    await expect(restarted.sign('pointer', 8, bytes)).rejects.toThrow(SignerRefused)
    await restarted.sign('pointer', 9, bytes)
    await restarted.sign('withdrawn', 1, bytes)
    expect(await readdir(join(keys, 'signed/pointer'))).toEqual(['9'])
  })

  test('signed by many at once: the highest is kept, and no later one is lower', async () => {
    const keys = join(folder, 'concurrent')
    const signers = await Promise.all(Array.from({ length: 4 }, () => openFileSigner(keys)))
    const versions = Array.from({ length: 24 }, (_, i) => 1 + ((i * 7) % 24))
    await Promise.allSettled(versions.map((version, i) => signers[i % 4]!.sign('pointer', version, bytes)))
    expect(await readdir(join(keys, 'signed/pointer'))).toContain('24')
    await expect(signers[0]!.sign('pointer', 23, bytes)).rejects.toThrow(SignerRefused)
  })

  test.each([0, -1, 1.5, Number.NaN, Number.MAX_SAFE_INTEGER + 1])('%p is no version', async (version) => {
    const signer = await openFileSigner(join(folder, 'none'))
    await expect(signer.sign('pointer', version, bytes)).rejects.toThrow('not a version')
  })

  test.each(['', '..', 'a/b', 'Pointer'])('%p is no role', async (role) => {
    const signer = await openFileSigner(join(folder, 'none'))
    await expect(signer.sign(role, 1, bytes)).rejects.toThrow('not a role')
  })
})

describe('Verifier', () => {
  test('finds its own key over exactly these bytes', async () => {
    const ours = await openFileSigner(join(folder, 'ours'))
    const theirs = await openFileSigner(join(folder, 'theirs'))
    const good = await ours.sign('pointer', 1, bytes)
    const foreign = await theirs.sign('pointer', 1, bytes)
    const verifier = new Verifier([ours.publicKey])
    const table: [string, string | undefined, Parameters<Verifier['findSigner']>][] = [
      ['its own', ours.keyId, [bytes, [good]]],
      ['its own after a foreign one', ours.keyId, [bytes, [foreign, good]]],
      ['a foreign one', undefined, [bytes, [foreign]]],
      ['a foreign one under its own id', undefined, [bytes, [{ keyid: ours.keyId, sig: foreign.sig }]]],
      ['other bytes', undefined, [bytes.slice(1), [good]]],
      ['a short signature', undefined, [bytes, [{ keyid: ours.keyId, sig: good.sig.slice(2) }]]],
      ['an upper-case signature', undefined, [bytes, [{ keyid: ours.keyId, sig: good.sig.toUpperCase() }]]],
      ['none', undefined, [bytes, []]],
      ['one buried under many', undefined, [bytes, [...Array.from({ length: 16 }, () => foreign), good]]],
    ]
    for (const [name, expected, args] of table) expect(verifier.findSigner(...args), name).toBe(expected)
  })
})

describe('public keys', () => {
  test('survive their text', async () => {
    const { publicKey } = await openFileSigner(join(folder, 'text'))
    expect(parsePublicKey(encodePublicKey(publicKey))).toEqual(publicKey)
    expect(await readFile(join(folder, 'text/pointer.key'), 'utf8')).not.toContain(publicKey.keyval.public)
  })

  test('have the id that TUF gives them', () => {
    const key = makePublicKey('fa472895c9756c2b9bcd1440bf867d0fa5c4edee79e9792fa9822be3dd6fcbb3')
    const canonical = `{"keytype":"ed25519","keyval":{"public":"${key.keyval.public}"},"scheme":"ed25519"}`
    expect(keyIdOf(key)).toBe(new Bun.CryptoHasher('sha256').update(canonical).digest('hex'))
  })

  test.each([
    '',
    'null',
    '{}',
    '[]',
    '{"keytype":"rsa","scheme":"ed25519","keyval":{"public":"00"}}',
    '{"keytype":"ed25519","scheme":"none","keyval":{"public":"00"}}',
    '{"keytype":"ed25519","scheme":"ed25519","keyval":{"public":7}}',
    '{"keytype":"ed25519","scheme":"ed25519","keyval":{"public":"abcd"}}',
  ])('%p is none', (text) => {
    expect(parsePublicKey(text)).toBeUndefined()
  })
})
