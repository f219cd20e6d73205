// The head of one request (RFC 9112), strictly: what two parsers could read differently is refused, so nothing can be smuggled.
import type { ErrorCode } from '#oci/errors.ts'
import type { WireLimits } from './limits.ts'
import { WireAsk } from './wire-ask.ts'

/** Ends the connection: after it nobody can say where the next request begins. */
export class Refusal {
  readonly status: number
  readonly code: ErrorCode
  readonly detail: string
  constructor(status: number, code: ErrorCode, detail: string) {
    this.status = status
    this.code = code
    this.detail = detail
  }
}

const invalid = (detail: string) => new Refusal(400, 'REQUEST_INVALID', detail)

function charTable(characters: string): Uint8Array {
  const table = new Uint8Array(256)
  for (let i = 0; i < characters.length; i++) table[characters.charCodeAt(i)] = 1
  return table
}
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const isToken = charTable(`${letters}!#$%&'*+-.^_\`|~`)
const isHostChar = charTable(`${letters}-._~%!$&'()*+;=:[]`)

const CR = 13
const LF = 10
const SP = 32
const TAB = 9
const COLON = 58

/** Case-insensitive; `name` is lower case, of letters and hyphens. */
function nameIs(bytes: Uint8Array, start: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const want = name.charCodeAt(i)
    const code = bytes[start + i]!
    if (code !== want && !(code >= 65 && code <= 90 && code + 32 === want)) return false
  }
  return true
}

/** What the fields of one head said about framing; reused, since heads are read one at a time. */
const framing = { hosts: 0, hasBody: false, isRefused: '', wantsClose: false, wantsKeepAlive: false, expects: false }

/** Where the fields of this head begin; reused as well, copied when the head is good. */
let lineStarts = new Uint32Array(128)
let lineCount = 0

const isSpace = (code: number) => code === SP || code === TAB

function valueText(bytes: Buffer, start: number, end: number): string {
  return bytes.toString('latin1', start, end).trim()
}

function noteHost(bytes: Buffer, start: number, end: number): void {
  framing.hosts++
  let first = start
  let last = end
  while (first < last && isSpace(bytes[first]!)) first++
  while (last > first && isSpace(bytes[last - 1]!)) last--
  for (let i = first; i < last; i++) {
    if (isHostChar[bytes[i]!] === 0) framing.isRefused = 'the Host header is not well formed'
  }
}

function noteConnection(value: string): void {
  for (const option of value.toLowerCase().split(',')) {
    const name = option.trim()
    if (name === 'close') framing.wantsClose = true
    else if (name === 'keep-alive') framing.wantsKeepAlive = true
  }
}

/** `name` and `value` are places in `bytes`: only the five names that decide where a request ends are looked at. */
function noteField(bytes: Buffer, name: number, colon: number, end: number): void {
  switch (colon - name) {
    case 4:
      if (nameIs(bytes, name, 'host')) noteHost(bytes, colon + 1, end)
      break
    case 6:
      if (nameIs(bytes, name, 'expect'))
        framing.expects ||= valueText(bytes, colon + 1, end).toLowerCase() !== '100-continue'
      break
    case 10:
      if (nameIs(bytes, name, 'connection')) noteConnection(valueText(bytes, colon + 1, end))
      break
    case 14:
      if (nameIs(bytes, name, 'content-length')) framing.hasBody ||= valueText(bytes, colon + 1, end) !== '0'
      break
    case 17:
      if (nameIs(bytes, name, 'transfer-encoding')) framing.hasBody = true
      break
  }
}

/** Reads fields from `start` to the empty line. Undefined: the line is not there yet. */
function readFields(bytes: Buffer, start: number, limits: WireLimits): number | Refusal | undefined {
  let at = start
  lineCount = 0
  if (lineStarts.length < limits.maxHeaders) lineStarts = new Uint32Array(limits.maxHeaders)
  for (let count = 0; ; count++) {
    if (at + 1 >= bytes.length) return undefined
    if (bytes[at] === CR) return bytes[at + 1] === LF ? at + 2 : invalid('a carriage return stands alone')
    if (count === limits.maxHeaders)
      return new Refusal(431, 'REQUEST_INVALID', `more than ${limits.maxHeaders} headers`)
    const name = at
    lineStarts[lineCount++] = name
    while (at < bytes.length && isToken[bytes[at]!] === 1) at++
    if (at === bytes.length) return undefined
    // A space here would be obsolete folding (at the start of a line) or a name that some parsers trim and others do not.
    if (bytes[at] !== COLON || at === name) return invalid('a header name is not well formed')
    const colon = at++
    for (; at < bytes.length; at++) {
      const code = bytes[at]!
      if (code >= SP ? code === 127 : code !== TAB) break
    }
    if (at + 1 >= bytes.length)
      return at < bytes.length && bytes[at] !== CR ? invalid('a header has a control character') : undefined
    if (bytes[at] !== CR || bytes[at + 1] !== LF) return invalid('a header has a control character')
    noteField(bytes, name, colon, at)
    at += 2
  }
}

/** The target in origin-form: `/path?query`. Absolute-form loses its scheme and authority. */
function originForm(target: string): string | undefined {
  if (target.charCodeAt(0) === 47) return target
  const scheme = /^https?:\/\//i.exec(target)?.[0].length
  if (scheme === undefined) return undefined
  const path = target.slice(scheme).search(/[/?]/)
  if (path === 0) return undefined
  if (path < 0) return '/'
  const rest = target.slice(scheme + path)
  return rest.charCodeAt(0) === 63 ? `/${rest}` : rest
}

/** The line starts of the head that begins at `first`, counted from there. */
function linesFrom(first: number): readonly number[] {
  const lines = new Array<number>(lineCount)
  for (let i = 0; i < lineCount; i++) lines[i] = lineStarts[i]! - first
  return lines
}

function isAt(bytes: Uint8Array, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false
  return true
}

/** 1.1 or 1.0, or why it is neither. */
function versionAt(bytes: Buffer, start: number, end: number): 11 | 10 | Refusal {
  if (end - start === 8 && isAt(bytes, start, 'HTTP/1.')) {
    if (bytes[start + 7] === 49) return 11
    if (bytes[start + 7] === 48) return 10
  }
  return /^HTTP\/\d\.\d$/.test(bytes.toString('latin1', start, end))
    ? new Refusal(505, 'REQUEST_INVALID', 'only HTTP/1.1 and HTTP/1.0 are spoken here')
    : invalid('the request line is not well formed')
}

function methodAt(bytes: Buffer, start: number, end: number): 'GET' | 'HEAD' | Refusal {
  if (end - start === 3 && isAt(bytes, start, 'GET')) return 'GET'
  if (end - start === 4 && isAt(bytes, start, 'HEAD')) return 'HEAD'
  for (let i = start; i < end; i++) if (isToken[bytes[i]!] === 0) return invalid('the method is not well formed')
  return new Refusal(405, 'UNSUPPORTED', 'only GET and HEAD are served here')
}

/** One request that begins at `start`; undefined when its head has not wholly arrived. */
export function readHead(
  bytes: Buffer,
  start: number,
  about: { readonly peer: string; readonly isTls: boolean; readonly limits: WireLimits },
): WireAsk | Refusal | undefined {
  const { limits } = about
  // RFC 9112 2.2: an empty line before a request is passed over, once.
  const first = bytes[start] === CR && bytes[start + 1] === LF ? start + 2 : start
  let space1 = 0
  let space2 = 0
  let at = first
  for (; at < bytes.length; at++) {
    const code = bytes[at]!
    if (code > SP && code < 127) continue
    if (code !== SP || space2 > 0) break
    if (space1 === 0) space1 = at
    else space2 = at
  }
  if (at - first > limits.maxRequestLineBytes)
    return new Refusal(414, 'REQUEST_INVALID', 'the request line is too long')
  if (at >= bytes.length) return undefined
  if (bytes[at] !== CR) return invalid('the request line has a character that may not be there')
  if (at + 1 >= bytes.length) return undefined
  if (bytes[at + 1] !== LF || space1 === first || space2 <= space1 + 1)
    return invalid('the request line is not well formed')

  framing.hosts = 0
  framing.hasBody = false
  framing.isRefused = ''
  framing.wantsClose = false
  framing.wantsKeepAlive = false
  framing.expects = false
  const fields = at + 2
  const end = readFields(bytes, fields, limits)
  if (end === undefined || typeof end !== 'number') return end
  if (end - first > limits.maxHeadBytes) return new Refusal(431, 'REQUEST_INVALID', 'the head is too long')

  const version = versionAt(bytes, space2 + 1, at)
  if (typeof version !== 'number') return version
  const method = methodAt(bytes, first, space1)
  if (typeof method !== 'string') return method
  const isHttp10 = version === 10
  const head = bytes.toString('latin1', first, end)
  const target = originForm(head.slice(space1 - first + 1, space2 - first))
  if (target === undefined || target.includes('#')) return invalid('the request target is not well formed')
  if (framing.hosts > 1 || (framing.hosts === 0 && !isHttp10)) return invalid('exactly one Host header is needed')
  if (framing.isRefused !== '') return invalid(framing.isRefused)
  if (framing.hasBody) return invalid('a request with a body is not taken here')
  if (framing.expects) return new Refusal(417, 'REQUEST_INVALID', 'the expectation cannot be met')
  const isKeptAlive = isHttp10 ? framing.wantsKeepAlive && !framing.wantsClose : !framing.wantsClose
  return new WireAsk({
    method,
    target,
    peer: about.peer,
    isTls: about.isTls,
    isKeptAlive,
    isHttp10,
    end,
    head,
    lines: linesFrom(first),
  })
}
