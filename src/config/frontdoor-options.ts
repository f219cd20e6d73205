// What may leave from the front door itself, and how it streams: rows of the table of options.

export const frontdoorOptions = {
  clientPolicy: {
    kind: 'path',
    group: 'Front door',
    help: 'table of client classes by User-Agent (JSON): how each is served, see operate.md; default: the measured one',
  },
  frontdoorTransfers: {
    kind: 'count',
    default: '512',
    group: 'Front door',
    help: 'layers that leave the front door as origin at once, where no host can serve them; what is more waits',
  },
  frontdoorTransfersPerNetwork: {
    kind: 'count',
    default: '256',
    group: 'Front door',
    help: 'of these, most to one network (/24 or /48), so that one that reads slowly does not keep all',
  },
  frontdoorBytesPerSecond: {
    kind: 'bytes',
    default: '0',
    group: 'Front door',
    help: 'bytes that leave as origin in a second, on average, redirects to the origin counted in; 0: no limit',
  },
  frontdoorWait: {
    kind: 'duration',
    default: '20s',
    group: 'Front door',
    help: 'how long a client waits for room, before it is told to come again (503); some clients give up after 30s',
  },
  frontdoorWaiting: {
    kind: 'count',
    default: '1000',
    group: 'Front door',
    help: 'clients that may wait so at once; those of one network (/24 or /48) take turns with the others',
  },
  frontdoorWaitingPerNetwork: {
    kind: 'count',
    default: '50',
    group: 'Front door',
    help: 'of these, most in one network (/24 or /48)',
  },
  streamTransfers: {
    kind: 'count',
    default: '64',
    group: 'Front door',
    help: 'layers that come through the front door from hosts at once, for classes in stream mode (client-policy); what is more is served as if it were not',
  },
  streamBytesPerSecond: {
    kind: 'bytes',
    default: '100MiB',
    group: 'Front door',
    help: 'bytes that come through so in a second, on average; 0: no limit',
  },
  streamHoldBack: {
    kind: 'bytes',
    default: '64KiB',
    group: 'Front door',
    help: 'the last piece of a streamed layer, kept in memory until the whole is right',
  },
  streamWhole: {
    kind: 'bytes',
    default: '8MiB',
    group: 'Front door',
    help: 'streamed layers up to this size are kept in memory until they are right, before their first byte is sent; 0: none',
  },
  streamWholeMemory: {
    kind: 'bytes',
    default: '128MiB',
    group: 'Front door',
    help: 'all that is kept so at once; a layer for which there is no room keeps back its last piece only',
  },
  streamWholeWait: {
    kind: 'duration',
    default: '20s',
    group: 'Front door',
    help: 'how long a client waits so for the first byte; then the layer is sent as it comes, but for its last piece',
  },
  streamFirstByte: {
    kind: 'duration',
    default: '3s',
    group: 'Front door',
    help: 'how long a host may take for the head of its answer to a stream',
  },
  streamStall: {
    kind: 'duration',
    default: '10s',
    group: 'Front door',
    help: 'a host that brings no byte for so long while a stream waits, or under 64KiB in all, is left for the next',
  },
  streamFragile: {
    kind: 'flag',
    default: 'false',
    group: 'Front door',
    help: 'clients that cannot retry get a layer that no gold host holds through the front door from other hosts, instead of from the origin',
  },
} as const
