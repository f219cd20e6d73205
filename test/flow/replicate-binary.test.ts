// The one file that `npm run build:replicate` makes: nothing of this checkout stands beside it.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mustRun, runProgram } from '../kit/process.ts'
import { PublishedTree } from '../kit/published-tree.ts'
import { readContents } from '../kit/read-contents.ts'
import { startTreeOrigin } from '../kit/tree-origin.ts'

let root: string
let binary: string

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'replicate-binary-'))
  binary = join(root, 'bin/flotilla-replicate')
  await mustRun(join(import.meta.dir, '../../bin/build-replicate'), [binary])
}, 120_000)
afterAll(() => rm(root, { recursive: true }))

test('copies a tree with nothing but itself', async () => {
  expect(await readdir(join(root, 'bin'))).toEqual(['flotilla-replicate'])
  const tree = await PublishedTree.make(join(root, 'tree'), join(root, 'keys'))
  await tree.add(crypto.getRandomValues(new Uint8Array(60_000)))
  await tree.publish()
  const origin = startTreeOrigin(tree.folder)
  const to = join(root, 'copy')
  const args = ['--from', origin.url, '--to', to, '--name', 'host', '--min-free', '0', '--json']
  const run = () => runProgram(binary, args, { cwd: root, env: { PATH: '/nowhere' } })
  try {
    expect(JSON.parse((await run()).stdout)).toMatchObject({ outcome: 'updated', files: 3 })
    expect(await readContents(to)).toMatchObject({ generation: 1 })
    expect(JSON.parse((await run()).stdout)).toMatchObject({ outcome: 'unchanged' })
  } finally {
    await origin.listener.stop(100)
  }
  const version = await mustRun(binary, ['--version'])
  expect(version).toMatch(/^\d+\.\d+\.\d+\n$/)
  expect((await runProgram(binary, ['--from', 'ftp://x'])).code).toBe(2)
})
