// What every server adapter takes and gives.

import type { Answer, Ask, StoredBody } from './answer.ts'

export type TlsFiles = { readonly cert: string; readonly key: string }

export type ListenOptions = {
  readonly host: string
  readonly port: number
  readonly tls?: TlsFiles | undefined
  /** A body that brings no byte for this long ends the connection. */
  readonly stallMs: number
  /** Between requests, where the adapter lets it be chosen. */
  readonly idleSeconds?: number
  /** Larger bodies are refused before they are read; default: any size. */
  readonly maxBodyBytes?: number
  readonly log: (error: unknown) => void
}

export type Listener = {
  readonly host: string
  readonly port: number
  /** Opens a second listener on the same port with new certificate files, then drains the first. */
  replaceCertificate(tls: TlsFiles): Promise<void>
  /** Stops accepting, lets running requests finish for `graceMs`, then closes. */
  stop(graceMs: number): Promise<void>
}

export type Handler = (ask: Ask) => Answer | Promise<Answer>

export function isStored(body: Answer['body']): body is StoredBody {
  return typeof body === 'object' && 'sizeBytes' in body
}

/** An IPv4 peer on a socket of both families reads `::ffff:192.0.2.1`. */
export function plainPeer(address: string | undefined): string {
  const mapped = '::ffff:'
  if (address === undefined) return ''
  return address.startsWith(mapped) && address.includes('.') ? address.slice(mapped.length) : address
}
