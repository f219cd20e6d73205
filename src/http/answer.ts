// What every listener's handler takes and gives: an Ask, made by a server adapter, and an Answer, which is data.

import { type ErrorCode, errorBody, errorTable, RegistryError } from '#oci/errors.ts'

export type Ask = {
  readonly method: string
  /** The raw path, still percent-encoded, without the query: `/v2/a/b/blobs/sha256:…`. */
  readonly path: string
  /** The raw query without its `?`; empty when there is none. */
  readonly query: string
  /** One header by its lower-case name; repeated ones joined by `, `. */
  header(name: string): string | undefined
  /** Address of the TCP peer, as text, IPv4-mapped ones already as IPv4. */
  readonly peer: string
  readonly isTls: boolean
  /** Undefined when the request carries none. Throws when the connection breaks or stalls before its end. A chunk's bytes are good
   *  until the next one is asked for: whoever keeps them copies them. */
  readonly body: AsyncIterable<Uint8Array> | undefined
  /** Aborts when the other side hangs up before its answer has left; for those who let it wait. Not every adapter tells. */
  readonly gone?: AbortSignal
}

/** Bytes that lie in a store (a BlobBody has this shape): sent straight from the file where there is one. */
export type StoredBody = AsyncDisposable & {
  readonly sizeBytes: number
  readonly file: { readonly path: string; readonly first: number } | undefined
  stream(): ReadableStream<Uint8Array>
  /** Told of bytes as they leave, by the adapters that write them themselves (the wire's). */
  readonly onSent?: (bytes: number) => void
}

export type Answer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  /** A StoredBody is closed by whoever sends it. */
  readonly body?: string | Uint8Array | StoredBody | ReadableStream<Uint8Array>
  /** Length told in answer to HEAD, where no body is sent. */
  readonly contentLength?: number
}

export function refuse(
  code: ErrorCode,
  detail: string,
  options: { status?: number; headers?: Record<string, string> } = {},
): Answer {
  return {
    status: options.status ?? errorTable[code].status,
    headers: { 'content-type': 'application/json', ...options.headers },
    body: errorBody(code, detail),
  }
}

/** The one place where an error becomes an answer. A bug or an outage shows no detail; `log` gets its cause. */
export function answerError(error: unknown, log: (error: unknown) => void): Answer {
  if (error instanceof RegistryError) {
    return refuse(error.code, error.detail, { status: error.status, headers: { ...error.headers } })
  }
  log(error)
  return refuse('UNKNOWN', 'the registry failed to carry this out; its log has the cause')
}
