import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureKey, FileSigner } from './file-signer.ts'
import { trustRoles } from './signed-document.ts'
import { documentOf, replaceOnlineKeys, signerContract } from './signer-contract.ts'
import { type SignerServer, serveSigner } from './signer-server.ts'
import { socketSigner } from './socket-signer.ts'

let folder: string
let count = 0
const servers: SignerServer[] = []
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'socket-signer-'))
})
afterAll(async () => {
  for (const server of servers) await server.stop()
  await rm(folder, { recursive: true })
})

const log = (error: unknown) => console.error(error)

/** Keys and memory of the signer's own, and a memory of each caller's. */
async function openServer() {
  const place = join(folder, String(count++))
  const keys = join(place, 'keys')
  for (const role of trustRoles) await ensureKey(keys, role)
  const socket = join(place, 'socket')
  servers.push(await serveSigner(new FileSigner(keys), { socket, log }))
  let callers = 0
  const open = () => socketSigner({ socket, signedFolder: join(place, `caller-${callers++}`), timeoutMs: 60_000 })
  return { keys, socket, open }
}

signerContract('a signer in a process of its own', async () => {
  const { keys, open } = await openServer()
  return {
    signer: open(),
    again: async () => open(),
    async withNewKeys() {
      await replaceOnlineKeys(keys)
      return open()
    },
  }
})

describe('its socket', () => {
  test('is for its owner only, and goes with it; what a killed one left is replaced', async () => {
    const place = join(folder, 'life')
    await ensureKey(place, 'timestamp')
    const socket = join(place, 'socket')
    await writeFile(socket, '')
    const server = await serveSigner(new FileSigner(place), { socket, log })
    expect((await stat(socket)).mode & 0o777).toBe(0o600)
    await expect(serveSigner(new FileSigner(place), { socket, log })).rejects.toThrow('another signer answers at')
    await server.stop()
    await expect(stat(socket)).rejects.toThrow('ENOENT')
    const signer = socketSigner({ socket, signedFolder: join(place, 'caller'), timeoutMs: 1000 })
    await expect(signer.findKey('timestamp')).rejects.toThrow('is `flotilla signer` running')
  })

  test('takes questions only: whoever asks past its client is refused likewise', async () => {
    const { socket, open } = await openServer()
    const signer = open()
    await signer.sign(documentOf('timestamp', 5))
    const ask = async (body: string) => {
      const answer = await fetch('http://signer/', { unix: socket, method: 'POST', body })
      return ((await answer.json()) as { refused?: string } | null)?.refused
    }
    const sign = (bytes: Uint8Array) =>
      ask(JSON.stringify({ do: 'sign', bytes: Buffer.from(bytes).toString('base64') }))
    expect(await sign(documentOf('timestamp', 4))).toContain('timestamp 4 of stable is older than 5')
    expect(await sign(Buffer.from('{"_type":"root","version":1}'))).toContain('roots are not signed here')
    expect(await ask('{"do":"key","role":"root"}')).toBeUndefined()
    expect(await ask('{"do":"export"}')).toContain('not a question')
    expect(await ask('[')).toContain('not a JSON object')
    expect(await ask('x'.repeat(5 * 1024 * 1024)).catch(() => 'cut off')).toMatch(/at most|cut off/)
    expect(await signer.highestVersion('timestamp', 'stable')).toBe(5)
  })
})
