// Status line and header fields of an answer as text. No value can end a line: what is not plain is replaced.
import type { Answer } from '#http/answer.ts'

const reasons: Readonly<Record<number, string>> = {
  200: 'OK',
  202: 'Accepted',
  204: 'No Content',
  206: 'Partial Content',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  304: 'Not Modified',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  412: 'Precondition Failed',
  414: 'URI Too Long',
  416: 'Range Not Satisfiable',
  417: 'Expectation Failed',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  451: 'Unavailable For Legal Reasons',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  505: 'HTTP Version Not Supported',
}

const unplain = /[^\t\x20-\x7e]/
const unplainRuns = /[^\t\x20-\x7e]+/g
const token = /^[a-z0-9!#$%&'*+.^_`|~-]+$/i

/** Set by the writer alone: a handler that names them does not change how the answer is framed. */
const framed = new Set([
  'content-length',
  'transfer-encoding',
  'connection',
  'date',
  'keep-alive',
  'trailer',
  'upgrade',
])

type KnownName = { readonly isSendable: boolean /** Was looked at, and can be sent as it is. */; lastPlain: string }
// Header names come from code, so there are few: each is checked once.
const knownNames = new Map<string, KnownName>()
function knowName(name: string): KnownName {
  let known = knownNames.get(name)
  if (known === undefined) {
    known = { isSendable: token.test(name) && !framed.has(name.toLowerCase()), lastPlain: '' }
    if (knownNames.size < 256) knownNames.set(name, known)
  }
  return known
}

function plain(known: KnownName, value: string): string {
  if (value === known.lastPlain) return value
  if (unplain.test(value)) return value.replace(unplainRuns, ' ')
  known.lastPlain = value
  return value
}

export type Framing = {
  /** Undefined: the body ends with the connection, or there is none and no length is told (204, 304). */
  readonly length: number | 'chunked' | undefined
  readonly connection: 'close' | 'keep-alive' | undefined
  /** The whole Date field. */
  readonly date: string
}

export function writeHead(status: number, headers: Answer['headers'], { length, connection, date }: Framing): string {
  let text = `HTTP/1.1 ${status} ${reasons[status] ?? 'Status'}\r\n${date}`
  for (const name in headers) {
    const known = knowName(name)
    if (!known.isSendable) continue
    const value = headers[name]!
    if (typeof value === 'string') text = `${text}${name}: ${plain(known, value)}\r\n`
    else for (const one of value) text = `${text}${name}: ${plain(known, one)}\r\n`
  }
  if (typeof length === 'number') text += `content-length: ${length}\r\n`
  else if (length) text += 'transfer-encoding: chunked\r\n'
  return connection ? `${text}connection: ${connection}\r\n\r\n` : `${text}\r\n`
}
