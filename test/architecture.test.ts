// The house rules that a machine can hold, first tried on made-up trees that break them one by one, then on the source.

import { describe, expect, test } from 'bun:test'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { roles, stages } from '../src/flow.ts'
import { checkFlow, checkTree } from './architecture/check-tree.ts'
import { findCycles } from './architecture/cycles.ts'
import { listImports, readSource } from './architecture/source-text.ts'

const root = join(import.meta.dir, '../src')
const source = new Map(globSync('**/*.ts', { cwd: root }).map((path) => [path, readFileSync(join(root, path), 'utf8')]))

const good: Record<string, string> = {
  'oci/digest.ts': 'export const a = 1',
  'oci/name.ts': "import { a } from './digest.ts'\nexport const b = a",
  'blobs/blob-store.ts': "import type { b } from '#oci/name.ts'\nconst file = Bun.file('x')",
  'blobs/disk/disk-blob-store.ts': "import { x } from '#blobs/blob-store.ts'",
  'catalogue/tags.ts': "import { Database } from 'bun:sqlite'",
  'selection/rank.ts': "import type { x } from '#snapshots/health.ts'",
  'snapshots/health.ts':
    '// Bun.serve and process.env are only spoken of here\nexport const x = "Bun.file(process.env.A)"',
  'stages/push/put.ts': "import { x } from '#catalogue/tags.ts'",
  'stages/redirect/answer.ts': "import { x } from '#blobs/blob-store.ts'",
  'roles/registry.ts': "import { x } from '#stages/push/put.ts'",
  'cli/main.ts': "import { x } from '#roles/registry.ts'\nconst home = process.env.HOME",
  'blobs/blob-store.test.ts': "import { test } from 'bun:test'\nimport { y } from '../../test/kit/wait-until.ts'",
}

const broken: readonly (readonly [string, Record<string, string>, RegExp])[] = [
  [
    'a low folder imports a high one',
    { 'oci/x.ts': "import { a } from '#blobs/blob-store.ts'" },
    /oci\/x.*may not import/,
  ],
  [
    'a type is an import too',
    { 'oci/x.ts': "import type { a } from '#kit/y.ts'", 'kit/y.ts': '' },
    /oci\/x.*may not import/,
  ],
  [
    'an import over several lines',
    { 'oci/x.ts': "import {\n  a,\n  type b,\n} from '#blobs/blob-store.ts'" },
    /oci\/x.*may not import/,
  ],
  ['an import for its effect', { 'oci/x.ts': "import '#blobs/blob-store.ts'" }, /oci\/x.*may not import/],
  ['a dynamic import', { 'oci/x.ts': "const a = await import('#blobs/blob-store.ts')" }, /oci\/x.*may not import/],
  ['a dynamic import of anything', { 'oci/x.ts': 'const a = await import(name)' }, /must name its module/],
  ['a type taken by import()', { 'oci/x.ts': "type A = import('#blobs/blob-store.ts').A" }, /oci\/x.*may not import/],
  ['a stage imports a stage', { 'stages/promote/x.ts': "import { a } from '#stages/push/put.ts'" }, /may not import/],
  [
    'the front door imports the catalogue',
    { 'stages/redirect/x.ts': "import { a } from '#catalogue/tags.ts'" },
    /may not/,
  ],
  ['roles import cli', { 'roles/x.ts': "import { a } from '#cli/main.ts'" }, /may not import/],
  ['a command imports a role', { 'cli/promote.ts': "import { a } from '#roles/registry.ts'" }, /may not import/],
  ['a folder without a rule', { 'extras/x.ts': "import { a } from '#oci/digest.ts'" }, /no rule says/],
  ['a dead import', { 'oci/x.ts': "import { a } from './gone.ts'" }, /which is not there/],
  ['a test in the product', { 'blobs/x.ts': "import { a } from './blob-store.test.ts'" }, /imports the test/],
  ['a sibling by #', { 'oci/x.ts': "import { a } from '#oci/digest.ts'" }, /a sibling is imported by/],
  ['a folder by ..', { 'blobs/x.ts': "import { a } from '../oci/digest.ts'" }, /siblings by/],
  ['the test kit in the product', { 'blobs/x.ts': "import { a } from '../../test/kit/wait-until.ts'" }, /siblings by/],
  ['export from', { 'oci/x.ts': "export { a } from './digest.ts'" }, /re-exports/],
  ['export star', { 'oci/x.ts': "export * from './digest.ts'" }, /re-exports/],
  ['a hidden re-export', { 'oci/x.ts': "import { a } from './digest.ts'\nexport { a }" }, /re-exports/],
  [
    'a cycle',
    { 'oci/x.ts': "import './y.ts'", 'oci/y.ts': "import type { a } from './x.ts'" },
    /cycle: oci\/x.ts -> oci\/y/,
  ],
  ['Bun in a stage', { 'stages/push/x.ts': 'const x = `${Bun.file(`a`)}`' }, /may not name Bun/],
  [
    'bun:sqlite in a stage',
    { 'stages/push/x.ts': "import { Database } from 'bun:sqlite'" },
    /may not import bun:sqlite/,
  ],
  ['bun:test in the product', { 'stages/push/x.ts': "import { test } from 'bun:test'" }, /may not import bun:test/],
  ['the environment', { 'kit/x.ts': 'const x = process.env.HOME' }, /may not read the environment/],
  ['an enum', { 'oci/x.ts': 'export const enum Colour { Red }' }, /not erasable/],
  ['a namespace', { 'oci/x.ts': 'namespace Colours {}' }, /not erasable/],
  ['an empty name', { 'oci/utils.ts': '' }, /says nothing/],
  ['an empty name in a longer one', { 'oci/name-helpers.ts': '' }, /says nothing/],
  ['CamelCase', { 'oci/DigestList.ts': '' }, /kebab-case/],
  ['a long file', { 'oci/x.ts': '\n'.repeat(300).replaceAll('\n', 'a\n').concat('a\n') }, /301 lines, at most 300/],
]

describe('the rules', () => {
  test('pass a tree that keeps them', () => {
    expect(checkTree(new Map(Object.entries(good)))).toEqual([])
  })

  test.each(broken)('notice %s', (_, files, expected) => {
    const troubles = checkTree(new Map(Object.entries({ ...good, ...files })))
    expect(troubles).toHaveLength(1)
    expect(troubles[0]).toMatch(expected)
  })

  test('notice stages and roles that flow.ts does not have, and the reverse', () => {
    const tree = new Map(Object.entries({ 'stages/push/a.ts': '', 'stages/dance/a.ts': '', 'roles/origin.ts': '' }))
    expect(checkFlow(tree, { stages: ['push', 'pull'], roles: ['origin', 'worker'] })).toEqual([
      'flow.ts names stage pull: no folder',
      'stages/dance is not in flow.ts',
      'flow.ts names role worker: no file',
    ])
  })

  test('find a cycle behind a crossing that was walked before', () => {
    const graph = new Map([
      ['a', ['b', 'c']],
      ['b', ['d']],
      ['c', ['d', 'a']],
      ['d', []],
    ])
    expect(findCycles(graph)).toEqual([['a', 'c', 'a']])
  })

  test.each([
    ['comments', "// import { a } from 'x'\n/* import 'y' */ import 'z'", ['z']],
    ['strings', "const a = \"import('x')\"\nimport 'z'", ['z']],
    ['templates', "const a = `//${`import('x')`}`; const b = await import('z')", ['z']],
    ['regular expressions', "const a = /['\"`]/.test(b)\nimport 'z'", ['z']],
    ['templates of several lines', "const a = `\\`\nimport 'y'\nexport * from 'y'`\nimport 'z'", ['z']],
    ['divisions', "const a = b / c; const d = '/'\nimport 'z'", ['z']],
  ])('read code only: %s', (_, text, expected) => {
    expect(listImports(readSource(text)).map((one) => one.from)).toEqual(expected)
  })
})

describe('the source', () => {
  test('keeps the rules', () => {
    expect(source.size).toBeGreaterThan(0)
    expect(checkTree(source)).toEqual([])
  })

  test('has the stages and roles of flow.ts', () => {
    expect(checkFlow(source, { stages: Object.keys(stages), roles })).toEqual([])
  })
})
