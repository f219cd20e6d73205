// How the origin meets machines that copy the tree: rows of the table of options.

export const originOptions = {
  originSeeds: {
    kind: 'count',
    default: '8',
    group: 'Origin',
    help: 'replicas that copy a generation from the origin while no host has it; also the first wave of those that wait for it',
  },
  originSeedsPerNetwork: {
    kind: 'count',
    default: '2',
    group: 'Origin',
    help: 'of these, most in one network (/24 or /48)',
  },
  originSeedSilence: {
    kind: 'duration',
    default: '60s',
    group: 'Origin',
    help: 'one that takes no bytes for this long loses its place to another replica',
  },
  originSendsPerBlob: {
    kind: 'count',
    default: '20',
    group: 'Origin',
    help: 'times that one blob is sent to replicas at most; after that once in 30 seconds',
  },
  originReplicaStreams: {
    kind: 'count',
    default: '32',
    group: 'Origin',
    help: 'blobs that are sent to replicas at once; users are never counted',
  },
  originReplicaStreamsEach: { kind: 'count', default: '4', group: 'Origin', help: 'of these, most to one replica' },
  originRedirectsPerHost: {
    kind: 'count',
    default: '20',
    group: 'Origin',
    help: 'replicas that the origin sends to one host in a second, at most, and never more than fill half its bandwidth',
  },
  originUserBlobs: {
    kind: 'count',
    default: '300',
    group: 'Origin',
    help: 'blobs an hour that registry clients of one network (/24 or /48) get without a ticket of a front door; beyond, they are treated as replicas',
  },
  originHold: {
    kind: 'duration',
    default: '10m',
    group: 'Origin',
    help: 'how long a request for the next generation is held; proxies before the origin must wait longer',
  },
  originWave: {
    kind: 'duration',
    default: '15s',
    group: 'Origin',
    help: 'time between the waves in which waiting replicas are told of a generation, each twice as large as the one before',
  },
  originWaiters: {
    kind: 'count',
    default: '4096',
    group: 'Origin',
    help: 'replicas that may wait for the next generation; others poll',
  },
  originWaitersPerNetwork: {
    kind: 'count',
    default: '64',
    group: 'Origin',
    help: 'of these, most in one network (/24 or /48)',
  },
  originHeadStart: {
    kind: 'duration',
    default: '5s',
    group: 'Origin',
    help: 'front doors take up a generation for this long before replicas are told of it',
  },
} as const
