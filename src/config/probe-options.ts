// How front doors prove hosts while clients wait: rows of the table of options.

export const probeOptions = {
  probeHold: {
    kind: 'duration',
    default: '5s',
    group: 'Probes',
    help: 'the longest that a client is held while hosts are probed for it; then the origin serves it',
  },
  probeHeld: {
    kind: 'count',
    default: '2000',
    group: 'Probes',
    help: 'clients that a front door holds at once; the next ones are served by the origin without waiting',
  },
  probeHeldPerNetwork: {
    kind: 'count',
    default: '500',
    group: 'Probes',
    help: 'of these, most of one network (/24 or /48)',
  },
  probes: { kind: 'count', default: '256', group: 'Probes', help: 'probes that a front door has under way at once' },
  probesPerHost: { kind: 'count', default: '4', group: 'Probes', help: 'of these, most at one host' },
  probesPerNetwork: {
    kind: 'count',
    default: '16',
    group: 'Probes',
    help: 'of these, most on behalf of one network of clients (/24 or /48)',
  },
  probeBackoff: {
    kind: 'duration',
    default: '30s',
    group: 'Probes',
    help: 'how long a host is left alone after a failed probe, doubled with each in a row up to ten minutes',
  },
  blockCheckFill: {
    kind: 'bytes',
    default: '4GiB',
    group: 'Probes',
    help: 'how much is read in a minute of blobs that have no block checks yet, to make them: those pushed before an upgrade',
  },
} as const
