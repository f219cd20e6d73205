// Why a file did not come, as the loop that fetches it has to tell apart.

/** Worth another try: the network, or a server that is overloaded. */
export class SourceInterrupted extends Error {
  override readonly name: string = 'SourceInterrupted'
}

/** The source asks to come back later: no failure, as long as there is patience. */
export class SourceBusy extends SourceInterrupted {
  override readonly name = 'SourceBusy'
  readonly retryAfterMs: number
  constructor(message: string, retryAfterMs: number) {
    super(message)
    this.retryAfterMs = retryAfterMs
  }
}

/** A host that a source redirected to failed: the source knows others. */
export class HostFailed extends SourceInterrupted {
  override readonly name = 'HostFailed'
  readonly host: { readonly name: string; readonly url: string }
  constructor(host: HostFailed['host'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.host = host
  }
}

/** All of the file came from one server, and it is not what its digest and size say. */
export class WrongBytes extends Error {
  override readonly name = 'WrongBytes'
  /** Who sent them, when it was not the source. */
  readonly host: HostFailed['host'] | undefined
  constructor(host: HostFailed['host'] | undefined, message: string) {
    super(message)
    this.host = host
  }
}

/** The file was begun by somebody else, or before: who spoilt it is not known; it begins anew. */
export class PartSpoilt extends Error {
  override readonly name = 'PartSpoilt'
}
