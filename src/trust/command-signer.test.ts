import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { commandSigner } from './command-signer.ts'
import { ensureKey } from './file-signer.ts'
import { onlineRoles } from './signed-document.ts'
import { documentOf, replaceOnlineKeys, signerContract } from './signer-contract.ts'

const program = join(import.meta.dir, '../../test/kit/signing-command.ts')

let folder: string
let count = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'command-signer-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function openCommand(trouble: string[] = [], timeoutMs = 60_000) {
  const keys = join(folder, `keys-${count++}`)
  for (const role of onlineRoles) await ensureKey(keys, role)
  const command = [process.execPath, program, keys, ...trouble]
  const open = () => commandSigner({ command, signedFolder: join(keys, 'signed'), timeoutMs })
  return { keys, open }
}

signerContract('a signer by a command', async () => {
  const { keys, open } = await openCommand()
  return {
    signer: open(),
    again: async () => open(),
    async withNewKeys() {
      await replaceOnlineKeys(keys)
      return open()
    },
  }
})

describe('a command that', () => {
  const table: [string, RegExp][] = [
    ['wrong-key', /gave no valid signature of its key [0-9a-f]{64} for timestamp/],
    ['garbage', /did not answer JSON: signed, I think/],
    ['fail', /ended with code 3: token 0 is not plugged in/],
    ['endless', /said more than 65536 bytes/],
  ]
  test.each(table)('answers wrongly (%s) is told with its reason', async (trouble, message) => {
    const { open } = await openCommand([trouble])
    await expect(open().sign(documentOf('timestamp', 1))).rejects.toThrow(message)
  })

  test('does not end is ended', async () => {
    const { open } = await openCommand(['hang'], 3000)
    await expect(open().sign(documentOf('timestamp', 1))).rejects.toThrow(/was ended by SIGKILL; it may take 3 s/)
  })

  test('is not there is named', async () => {
    const signer = commandSigner({ command: ['/nowhere/sign'], signedFolder: folder, timeoutMs: 1000 })
    await expect(signer.findKey('timestamp')).rejects.toThrow('the signing command /nowhere/sign could not be run')
  })
})
