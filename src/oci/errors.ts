// One table, code -> status and message (distribution-spec "Error codes"; the last four are ours, in the same form).

export const errorTable = {
  BLOB_UNKNOWN: { status: 404, message: 'blob unknown to registry' },
  BLOB_UPLOAD_INVALID: { status: 400, message: 'blob upload invalid' },
  BLOB_UPLOAD_UNKNOWN: { status: 404, message: 'blob upload unknown to registry' },
  DIGEST_INVALID: { status: 400, message: 'provided digest did not match uploaded content' },
  MANIFEST_BLOB_UNKNOWN: { status: 404, message: 'manifest references a manifest or blob unknown to registry' },
  MANIFEST_INVALID: { status: 400, message: 'manifest invalid' },
  MANIFEST_UNKNOWN: { status: 404, message: 'manifest unknown to registry' },
  NAME_INVALID: { status: 400, message: 'invalid repository name' },
  NAME_UNKNOWN: { status: 404, message: 'repository name not known to registry' },
  SIZE_INVALID: { status: 400, message: 'provided length did not match content length' },
  TAG_INVALID: { status: 400, message: 'manifest tag did not match the grammar of tags' },
  UNAUTHORIZED: { status: 401, message: 'authentication required' },
  DENIED: { status: 403, message: 'requested access to the resource is denied' },
  UNSUPPORTED: { status: 405, message: 'the operation is unsupported' },
  TOOMANYREQUESTS: { status: 429, message: 'too many requests' },
  PAGINATION_NUMBER_INVALID: { status: 400, message: 'invalid number of results requested' },
  RANGE_INVALID: { status: 416, message: 'the range is out of order or not satisfiable' },
  STORAGE_FULL: { status: 507, message: 'the registry has no space left; nothing of this request was kept' },
  UNAVAILABLE: { status: 503, message: 'the service is temporarily unavailable' },
  PRECONDITION_FAILED: { status: 412, message: 'the precondition of the request does not hold' },
  CONFLICT: { status: 409, message: 'the request conflicts with the present state' },
  REQUEST_INVALID: { status: 400, message: 'the request is not well formed' },
  NOT_FOUND: { status: 404, message: 'there is nothing at this address' },
  UNKNOWN: { status: 500, message: 'unknown error' },
} as const satisfies Record<string, { status: number; message: string }>

export type ErrorCode = keyof typeof errorTable

export type RegistryErrorOptions = {
  readonly cause?: unknown
  /** A status other than the table's, where the spec gives one code two (413 for a manifest that is too large). */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
}

/** The only error that a client can cause: what was wrong goes in `detail`, in words a person can act on. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly code: ErrorCode
  readonly detail: string
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(code: ErrorCode, detail: string, options: RegistryErrorOptions = {}) {
    super(`${code}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.detail = detail
    this.status = options.status ?? errorTable[code].status
    this.headers = options.headers ?? {}
  }
}

/** The body that the spec gives errors: `{"errors":[{code,message,detail}]}`. */
export function errorBody(code: ErrorCode, detail: string): string {
  return JSON.stringify({ errors: [{ code, message: errorTable[code].message, detail }] })
}
