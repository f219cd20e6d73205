// Why a request of ours brought no answer, in kinds that callers act on and words that a host's admin can act on.

export type OutboundTrouble =
  | 'guard' // the URL or an address of it is not allowed; nothing was sent
  | 'name' // the name does not resolve
  | 'refused' // the machine answers, nothing listens there
  | 'unreachable' // no route: perhaps ours
  | 'timeout'
  | 'tls'
  | 'protocol' // what came is not HTTP
  | 'closed' // the connection ended too early
  | 'too-large'
  | 'redirects'
  | 'cancelled' // by our caller

export class OutboundError extends Error {
  override readonly name = 'OutboundError'
  readonly kind: OutboundTrouble

  constructor(kind: OutboundTrouble, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.kind = kind
  }
}

const kinds: Readonly<Record<string, OutboundTrouble>> = {
  ECONNREFUSED: 'refused',
  ENETUNREACH: 'unreachable',
  EHOSTUNREACH: 'unreachable',
  ENETDOWN: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  ETIMEDOUT: 'timeout',
  ECONNRESET: 'closed',
  ECONNABORTED: 'closed',
  EPIPE: 'closed',
}

function kindOf(code: string): OutboundTrouble {
  if (Object.hasOwn(kinds, code)) return kinds[code]!
  if (code === 'HPE_HEADER_OVERFLOW') return 'too-large'
  if (code.startsWith('HPE_')) return 'protocol'
  return /CERT|TLS|SSL|SIGNATURE|ISSUER|EPROTO/.test(code) ? 'tls' : 'closed'
}

/** Sorts what the platform threw. */
export function outboundErrorOf(error: unknown, where: string): OutboundError {
  if (error instanceof OutboundError) return error
  const { code, message } = error as { code?: unknown; message?: unknown }
  return new OutboundError(kindOf(typeof code === 'string' ? code : ''), `${where}: ${message}`, error)
}
