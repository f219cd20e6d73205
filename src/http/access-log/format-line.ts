// One answered request as a line of text: JSON, or the common log format of httpd and nginx. The query is left out: it holds tickets.

import { type Address, formatAddress, networkOf } from '#kit/address.ts'

export type AddressDetail = 'masked' | 'whole' | 'none'

export type LogEntry = {
  readonly atMs: number
  readonly address: Address
  readonly country: string | undefined
  readonly method: string
  /** Raw, as it came. */
  readonly path: string
  readonly userAgent: string | undefined
  readonly status: number
  /** Of the body, as promised; undefined: not known before it is sent. */
  readonly bytes: number | undefined
  readonly durationMs: number
  readonly decision: string | undefined
}

export type FormatLine = (entry: LogEntry) => string

const maxPathLength = 1024
const maxAgentLength = 256

/** `masked`: the first address of its /24 or /48. */
export function addressText(address: Address, detail: AddressDetail): string {
  if (detail === 'none') return '-'
  return formatAddress(detail === 'whole' ? address : networkOf(address, address.family === 4 ? 24 : 48).address)
}

/** `every`: one request of so many is logged; readers multiply by it. */
export function jsonLines(detail: AddressDetail, every: number): FormatLine {
  return ({ atMs, address, country, method, path, userAgent, status, bytes, durationMs, decision }) => {
    const text = JSON.stringify({
      time: new Date(atMs).toISOString(),
      ...(detail === 'none' ? {} : { address: addressText(address, detail) }),
      country,
      method,
      path: path.slice(0, maxPathLength),
      status,
      bytes,
      ms: Math.round(durationMs * 10) / 10,
      decision,
      agent: userAgent?.slice(0, maxAgentLength),
      ...(every === 1 ? {} : { every }),
    })
    return `${text}\n`
  }
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

export function commonLines(detail: AddressDetail): FormatLine {
  return ({ atMs, address, method, path, status, bytes }) => {
    const iso = new Date(atMs).toISOString()
    const time = `${iso.slice(8, 10)}/${months[Number(iso.slice(5, 7)) - 1]}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`
    const request = escapeQuoted(`${method} ${path.slice(0, maxPathLength)} HTTP/1.1`)
    return `${addressText(address, detail)} - - [${time}] "${request}" ${status} ${bytes ?? '-'}\n`
  }
}

/** As nginx and httpd do: nothing that a client sends ends the field or the line. */
function escapeQuoted(text: string): string {
  return text.replaceAll(/["\\]|[^\x20-\x7e]/g, (character) => {
    return [...Buffer.from(character)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
  })
}
