// https with an authority of one's own, and what happens without it.

import { expect, test } from 'bun:test'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listen } from '#http/serve-bun.ts'
import { type ProgramControl, replicaProgram } from '#roles/replica-program.ts'
import { answerTree } from '#stages/pull/answer-tree.ts'
import { describeWith } from '../kit/need-tool.ts'
import { mustRun } from '../kit/process.ts'
import { PublishedTree } from '../kit/published-tree.ts'

describeWith('https', ['openssl'])('https', () => {
  test('is copied from with the authority given, and refused at once without', async () => {
    const root = await mkdtemp(join(tmpdir(), 'replicate-https-'))
    const [key, cert] = [join(root, 'key.pem'), join(root, 'cert.pem')]
    const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    const kind = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
    await mustRun('openssl', [...kind, ...names, '-keyout', key, '-out', cert])
    const tree = await PublishedTree.make(join(root, 'tree'), join(root, 'keys'))
    await tree.add(crypto.getRandomValues(new Uint8Array(50_000)))
    await tree.publish()
    const listener = listen(answerTree({ folder: tree.folder, channelFolders: new Map() }), {
      host: '127.0.0.1',
      port: 0,
      tls: { key, cert },
      stallMs: 5000,
      log: console.error,
    })
    const run = (control: Partial<ProgramControl>) => {
      const settings = { from: [`https://127.0.0.1:${listener.port}`], to: join(root, 'copy'), name: 'host' }
      return replicaProgram('flotilla/test', {}).run(
        { ...settings, minFreeBytes: 0, hookLimitMs: 1000 },
        {
          stop: new AbortController().signal,
          onProgress: () => undefined,
          onEvent: () => undefined,
          freeBytes: async () => 1e12,
          allowPrivate: { sources: true, hosts: true },
          ca: undefined,
          proxy: undefined,
          ...control,
        },
      )
    }
    try {
      await expect(run({})).rejects.toMatchObject({ reason: 'source', message: expect.stringMatching(/certificate/i) })
      const ca = await readFile(cert, 'utf8')
      await expect(run({ ca, allowPrivate: { sources: false, hosts: false } })).rejects.toThrow('loopback address')
      expect(await run({ ca })).toMatchObject({ outcome: 'updated', files: 3 })
    } finally {
      await listener.stop(100)
      await rm(root, { recursive: true })
    }
  })
})
