// Errors of the control API: RFC 9457 problem documents, made from the one class that clients can cause.

import { HTTPException } from 'hono/http-exception'
import { errorTable, RegistryError } from '#oci/errors.ts'

export const problemType = 'application/problem+json'

export function problemOf(error: unknown, log: (error: unknown) => void): Response {
  if (error instanceof RegistryError)
    return problem(error.status, error.code, errorTable[error.code].message, error.detail, error.headers)
  // What the router refuses by itself: a body that is no JSON (400), or is not said to be JSON (415).
  if (error instanceof HTTPException && error.status < 500)
    return problem(error.status, 'REQUEST_INVALID', errorTable.REQUEST_INVALID.message, unreadable(error))
  log(error)
  return problem(
    500,
    'UNKNOWN',
    errorTable.UNKNOWN.message,
    'the server failed to carry this out; its log has the cause',
  )
}

function unreadable({ status, message }: HTTPException): string {
  return status === 415 ? 'send the body as Content-Type: application/json' : message || 'the request cannot be read'
}

export function problem(
  status: number,
  code: string,
  title: string,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(JSON.stringify({ type: 'about:blank', title, status, code, detail }), {
    status,
    headers: { 'content-type': problemType, ...headers },
  })
}
