// The steps of the front door's decision about a blob, in the order in which the code takes them. README.md shows them to people;
// a test holds the two together.
export const steps = {
  unknown: 'The repository does not have this blob: 404 BLOB_UNKNOWN.',
  withdrawn: 'It was withdrawn: 403 DENIED, with the reason.',
  told: 'HEAD, or the client has it already (If-None-Match): 200 or 304 from the snapshot.',
  packed: 'It is small, or a manifest: its bytes, from the pack.',
  miss: 'A host sent the client back (`?miss=`): its bytes, never a redirect to a host; a good ticket is evidence.',
  config: "It is an image's config, too large for the pack: bytes from here, else 307 to the origin.",
  stream:
    'Its class is in stream mode, it asks for the whole, and the budget of streams has room: one answer from here, read from hosts in turn.',
  same: 'A part of a transfer (closed, multi-part, or from a whole MiB): the host of the other parts.',
  host: 'The first host in rank that this round has not had yet and that is proven: 307.',
  held: 'None is proven, some are in doubt: the client is held while two at a time are probed; 307 to the first that passes.',
  origin:
    'No host suits, none could be proven, too many wait for a proof, the round is over (once in the window), or the class is kept here: bytes from here, else 307 to the origin.',
  farther: 'The budget of the origin has no room: 307 to a proven host behind those that were looked at.',
  queued: 'There is none: the client waits for its turn; after 20 s (or when too many wait) 503 with Retry-After.',
} as const

export type Step = keyof typeof steps
