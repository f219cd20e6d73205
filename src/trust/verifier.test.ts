import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureKey, FileSigner } from './file-signer.ts'
import { documentOf } from './signer-contract.ts'
import { Verifier } from './verifier.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'verifier-'))
})
afterAll(() => rm(folder, { recursive: true }))

const bytes = documentOf('timestamp', 1)

async function signerOf(name: string): Promise<FileSigner> {
  await ensureKey(join(folder, name), 'timestamp')
  return new FileSigner(join(folder, name))
}

describe('Verifier', () => {
  test('finds its own key over exactly these bytes', async () => {
    const ours = await signerOf('ours')
    const theirs = await signerOf('theirs')
    const good = await ours.sign(bytes)
    const foreign = await theirs.sign(bytes)
    const verifier = new Verifier([(await ours.findKey('timestamp'))!])
    const table: [string, string | undefined, Parameters<Verifier['findSigner']>][] = [
      ['its own', good.keyid, [bytes, [good]]],
      ['its own after a foreign one', good.keyid, [bytes, [foreign, good]]],
      ['a foreign one', undefined, [bytes, [foreign]]],
      ['a foreign one under its own id', undefined, [bytes, [{ keyid: good.keyid, sig: foreign.sig }]]],
      ['other bytes', undefined, [bytes.slice(1), [good]]],
      ['a short signature', undefined, [bytes, [{ keyid: good.keyid, sig: good.sig.slice(2) }]]],
      ['an upper-case signature', undefined, [bytes, [{ keyid: good.keyid, sig: good.sig.toUpperCase() }]]],
      ['none', undefined, [bytes, []]],
      ['one buried under many', undefined, [bytes, [...Array.from({ length: 16 }, () => foreign), good]]],
    ]
    for (const [name, expected, args] of table) expect(verifier.findSigner(...args), name).toBe(expected)
  })
})
