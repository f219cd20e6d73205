// What the origin did, as plain numbers; the metrics make counters of them.

export type OriginCounters = {
  /** Blobs asked for by users, and by replicas that were sent to a host, got bytes from here, or were told to wait. */
  userBlobs: number
  replicaRedirects: number
  replicaSends: number
  replicaWaits: number
  replicaBytes: number
  /** Answers to machines that waited for a new generation. */
  releases: number
}

export function makeOriginCounters(): OriginCounters {
  return { userBlobs: 0, replicaRedirects: 0, replicaSends: 0, replicaWaits: 0, replicaBytes: 0, releases: 0 }
}
