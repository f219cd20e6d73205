// What one client may cost. Every bound of the reader is here.
export type WireLimits = {
  readonly maxRequestLineBytes: number
  /** Request line and header fields together. */
  readonly maxHeadBytes: number
  readonly maxHeaders: number
  /** From the first byte of a request (or the connection) to the end of its head, however slowly it trickles. */
  readonly headerTimeoutMs: number
  /** Between two requests. */
  readonly idleTimeoutMs: number
  /** A client that takes no byte of an answer for this long is gone. */
  readonly sendStallMs: number
  /** After an answer that ends the connection, what still arrives is read and dropped, so that the answer is not lost to a reset. */
  readonly lingerMs: number
  readonly maxConnections: number
  /** Of one client prefix (/24 or /48); connections of trusted proxies that name no client are not counted. */
  readonly maxConnectionsPerClient: number
  readonly maxRequestsPerConnection: number
  /** Requests that wait behind a held one; above it the socket is not read. */
  readonly maxPipelinedBytes: number
}

export const wireLimitDefaults: WireLimits = {
  maxRequestLineBytes: 8 * 1024,
  maxHeadBytes: 32 * 1024,
  maxHeaders: 100,
  headerTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
  sendStallMs: 60_000,
  lingerMs: 2_000,
  maxConnections: 20_000,
  maxConnectionsPerClient: 2000,
  maxRequestsPerConnection: 100_000,
  maxPipelinedBytes: 64 * 1024,
}
