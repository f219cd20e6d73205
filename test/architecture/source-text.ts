// TypeScript text without its comments (and, on demand, without what its strings say), so that rules read code only.
// Not a parser: it knows strings, templates, comments and the common places of regular expressions, which is what the rules need.

export type SourceText = {
  /** Comments blanked; strings kept. */
  readonly code: string
  /** Comments and the contents of strings, templates and regular expressions blanked. Same length, same lines. */
  readonly bare: string
}

const regexMayFollow = /(?:^|[(,=:[!&|?{;+\-*%<>~^]|\b(?:return|typeof|case|in|of|yield|await|throw))\s*$/

function blank(text: string): string {
  return text.replace(/[^\n]/g, ' ')
}

/** The end of a quoted piece that starts at `start`, and just past its closing mark. */
function endOfQuoted(text: string, start: number, mark: string): number {
  let inClass = false
  for (let at = start + 1; at < text.length; at++) {
    const char = text[at]
    if (char === '\\') at++
    else if (mark === '/' && char === '[') inClass = true
    else if (mark === '/' && char === ']') inClass = false
    else if (char === mark && !inClass) return at + 1
  }
  return text.length
}

/** Just past the closing mark of a template, or past the `${` that opens code in it. */
function endOfTemplatePart(text: string, start: number): number {
  for (let at = start; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '`') return at + 1
    else if (text.startsWith('${', at)) return at + 2
  }
  return text.length
}

export function readSource(text: string): SourceText {
  let code = ''
  let bare = ''
  const keep = (piece: string, shown: string) => {
    code += piece
    bare += shown
  }
  // Templates nest: each entry counts the open braces of the code inside one ${...}.
  const braces: number[] = []
  let inTemplate = false
  let at = 0
  while (at < text.length) {
    const char = text[at]!
    const pair = text.slice(at, at + 2)
    if (inTemplate) {
      const close = endOfTemplatePart(text, at)
      const isCode = text[close - 1] === '{'
      keep(text.slice(at, close), blank(text.slice(at, close)))
      inTemplate = false
      if (isCode) braces.push(0)
      at = close
    } else if (pair === '//' || pair === '/*') {
      const found = pair === '//' ? text.indexOf('\n', at) : text.indexOf('*/', at + 2) + 2
      const end = found < (pair === '//' ? 0 : 2) ? text.length : found
      const gone = blank(text.slice(at, end))
      keep(gone, gone)
      at = end
    } else if (char === "'" || char === '"' || (char === '/' && regexMayFollow.test(bare.slice(-80)))) {
      const end = endOfQuoted(text, at, char)
      const piece = text.slice(at, end)
      keep(piece, `${char}${blank(piece.slice(1, -1))}${char}`)
      at = end
    } else {
      if (char === '`') inTemplate = true
      const depth = braces.at(-1)
      if (depth !== undefined && char === '{') braces[braces.length - 1] = depth + 1
      if (depth !== undefined && char === '}') {
        if (depth === 0) {
          braces.pop()
          inTemplate = true
        } else braces[braces.length - 1] = depth - 1
      }
      keep(char, char)
      at++
    }
  }
  return { code, bare }
}

export type Import = { readonly from: string; readonly names: readonly string[] }

const statement = /^[ \t]*import\s+(?:type\s+)?(?:([\w$*\s{},]+?)\s+from\s+)?['"]([^'"]+)['"]/gm
const dynamic = /(?<![\w$.])import\(\s*(?:['"]([^'"]+)['"])?/g
const exportFrom = /^[ \t]*export\s+(?:type\s+)?(?:\*|\{[^}]*\})[^;\n]*?\bfrom\s+['"][^'"]+['"]/gm
const exportList = /^[ \t]*export\s+(?:type\s+)?\{([^}]*)\}(?!\s*from)/gm

function localNames(clause: string): string[] {
  return [...clause.matchAll(/(?:\bas\s+)?([\w$]+)\s*(?=[,}]|$)/g)].map((match) => match[1]!)
}

/** Matches that begin in code: what a string says is blank in `bare`. */
function matchCode(source: SourceText, pattern: RegExp): RegExpExecArray[] {
  const isCode = ({ 0: found, index }: RegExpExecArray) => {
    const start = index + found.search(/\S/)
    return source.bare[start] === source.code[start]
  }
  return [...source.code.matchAll(pattern)].filter(isCode)
}

/** Every module that the text imports, static and dynamic; a dynamic import of no literal is `?`. */
export function listImports(source: SourceText): Import[] {
  const fixed = matchCode(source, statement).map(([, clause = '', from = '']) => ({ from, names: localNames(clause) }))
  const late = matchCode(source, dynamic).map((match) => ({ from: match[1] ?? '?', names: [] }))
  return [...fixed, ...late]
}

/** Names that the text hands on from other modules: `export ... from`, or `export { x }` of an imported x. */
export function listReExports(source: SourceText): string[] {
  const direct = matchCode(source, exportFrom)
  const imported = new Set(listImports(source).flatMap((one) => one.names))
  const lists = matchCode(source, exportList)
  const handedOn = lists
    .flatMap((match) => match[1]!.split(','))
    .map((entry) => /^\s*(?:type\s+)?([\w$]+)/.exec(entry)?.[1])
    .filter((name) => name !== undefined && imported.has(name))
  return [...direct.map((match) => match[0].trim()), ...handedOn.map((name) => `export { ${name} }`)]
}
