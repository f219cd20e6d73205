// Holds a tree of source text to the rules. The tree is an argument, so that the rules themselves can be tested on a made-up one.

import { dirname, posix } from 'node:path'
import { findCycles } from './cycles.ts'
import { bannedNames, longFiles, mayImport, mayNameBun, mayReadEnvironment, mostLines } from './rules.ts'
import { type Import, listImports, listReExports, readSource, type SourceText } from './source-text.ts'

/** Path below src -> text. */
export type Tree = ReadonlyMap<string, string>
type Flow = { readonly stages: readonly string[]; readonly roles: readonly string[] }

const isTest = (path: string) => path.endsWith('.test.ts') || path.endsWith('-contract.ts')
const isInside = (path: string, place: string) => path === place || path.startsWith(`${place}/`)

/** `stages/push`, `blobs`, `flow.ts`: what may import itself freely. */
function roomOf(path: string): string {
  const parts = path.split('/')
  return parts[0] === 'stages' ? parts.slice(0, 2).join('/') : parts[0]!
}

function allowedFor(path: string): readonly string[] | undefined {
  const room = roomOf(path)
  return mayImport[path] ?? mayImport[room] ?? (room.startsWith('stages/') ? mayImport['stages/*'] : undefined)
}

/** The path below src that an import names, `undefined` for a package, or the reason why it is spelled wrong. */
function resolveImport(path: string, from: string): { target?: string; wrong?: string } {
  if (from === '?') return { wrong: 'a dynamic import must name its module' }
  if (isTest(path) && posix.join('src', dirname(path), from).startsWith('test/kit/')) return {}
  if (from.startsWith('.')) {
    if (!/^\.\/[^/]+$/.test(from)) return { wrong: `${from}: siblings by ./x.ts, other folders by #folder/file.ts` }
    return { target: posix.join(dirname(path), from) }
  }
  if (!from.startsWith('#')) return {}
  const target = from.slice(1)
  return dirname(target) === dirname(path) ? { wrong: `${from}: a sibling is imported by ./x.ts` } : { target }
}

function checkImport(path: string, one: Import, tree: Tree): string | undefined {
  const { target, wrong } = resolveImport(path, one.from)
  if (wrong !== undefined) return `${path}: ${wrong}`
  if (target === undefined) {
    const isRuntime = one.from === 'bun' || (one.from.startsWith('bun:') && !(one.from === 'bun:test' && isTest(path)))
    if (!isRuntime || isTest(path) || mayNameBun.includes(roomOf(path))) return undefined
    return `${path}: may not import ${one.from}`
  }
  if (!tree.has(target)) return `${path}: imports ${one.from}, which is not there`
  if (isTest(target) && !isTest(path)) return `${path}: imports the test ${one.from}`
  const allowed = allowedFor(path)
  if (allowed === undefined) return `${path}: no rule says what ${roomOf(path)} may import`
  const isOwn = roomOf(path) === roomOf(target)
  return isOwn || allowed.some((place) => isInside(target, place)) ? undefined : `${path}: may not import ${one.from}`
}

function checkName(path: string): string[] {
  const file = posix.basename(path)
  const stem = file.slice(0, file.indexOf('.'))
  const troubles: string[] = []
  if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.pg|\.s3)?(\.test)?\.ts$/.test(file)) troubles.push(`${path}: not kebab-case`)
  if (bannedNames.includes(stem) || /(^|-)(utils?|helpers?|impl|misc)(-|$)/.test(stem)) {
    troubles.push(`${path}: a name that says nothing`)
  }
  return troubles
}

function checkLength(path: string, text: string): string | undefined {
  if (isTest(path)) return undefined
  const lines = text.trimEnd().split('\n').length
  const granted = longFiles[path]
  if (granted !== undefined && lines <= mostLines) return `${path}: is short now; take it off the list of long files`
  return lines > (granted ?? mostLines) ? `${path}: ${lines} lines, at most ${granted ?? mostLines}` : undefined
}

function checkWords(path: string, { bare }: SourceText): string[] {
  const troubles: string[] = []
  if (/(?<![\w$.#])Bun\s*[.[]/.test(bare) && !isTest(path) && !mayNameBun.includes(roomOf(path))) {
    troubles.push(`${path}: may not name Bun`)
  }
  if (/\b(process|import\.meta|Bun)\.env\b/.test(bare) && !isTest(path)) {
    if (!mayReadEnvironment.some((place) => isInside(path, place)))
      troubles.push(`${path}: may not read the environment`)
  }
  if (/^[ \t]*(export\s+)?(declare\s+)?(const\s+)?(enum|namespace)\s+[\w$]+\s*\{/m.test(bare)) {
    troubles.push(`${path}: enum and namespace are not erasable`)
  }
  return troubles
}

export function checkTree(tree: Tree): string[] {
  const troubles: (string | undefined)[] = []
  const graph = new Map<string, string[]>()
  for (const [path, text] of tree) {
    const source = readSource(text)
    const imports = listImports(source)
    troubles.push(...imports.map((one) => checkImport(path, one, tree)))
    troubles.push(...listReExports(source).map((what) => `${path}: re-exports (${what})`))
    troubles.push(...checkName(path), checkLength(path, text), ...checkWords(path, source))
    const targets = imports.map((one) => resolveImport(path, one.from).target)
    graph.set(path, targets.filter((target) => target !== undefined && target !== path) as string[])
  }
  for (const path of Object.keys(longFiles))
    if (!tree.has(path)) troubles.push(`${path}: is gone; take it off the list`)
  troubles.push(...findCycles(graph).map((cycle) => `import cycle: ${cycle.join(' -> ')}`))
  return troubles.filter((trouble) => trouble !== undefined)
}

/** The stages are folders of src/stages and the roles are files of src/roles, no more and no fewer than flow.ts says. */
export function checkFlow(tree: Tree, flow: Flow): string[] {
  const paths = [...tree.keys()]
  const folders = new Set(paths.filter((path) => path.startsWith('stages/')).map((path) => path.split('/')[1]!))
  const stages = new Set(flow.stages)
  return [
    ...flow.stages.filter((stage) => !folders.has(stage)).map((stage) => `flow.ts names stage ${stage}: no folder`),
    ...[...folders].filter((folder) => !stages.has(folder)).map((folder) => `stages/${folder} is not in flow.ts`),
    ...flow.roles.filter((role) => !tree.has(`roles/${role}.ts`)).map((role) => `flow.ts names role ${role}: no file`),
  ]
}
