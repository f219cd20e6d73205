// How the front door's listener meets the network, and what one client may cost it: rows of the table of options.

export const frontdoorListenerOptions = {
  frontdoorProxyProtocol: {
    kind: 'proxyProtocol',
    default: 'off',
    group: 'Front door',
    help: 'whether trusted-proxies begin their connections with a PROXY header (version 1 or 2) that names the client; not with tls-cert',
  },
  frontdoorMaxConnections: {
    kind: 'count',
    default: '20000',
    group: 'Front door',
    help: 'connections at once; one more is told 503 and closed',
  },
  frontdoorMaxConnectionsPerClient: {
    kind: 'count',
    default: '2000',
    group: 'Front door',
    help: 'of these, most of one network (/24 or /48); those of trusted-proxies that name no client are not counted',
  },
  frontdoorHeaderTimeout: {
    kind: 'duration',
    default: '10s',
    group: 'Front door',
    help: 'how long the head of a request may take to arrive, however it trickles',
  },
  frontdoorIdleTimeout: {
    kind: 'duration',
    default: '60s',
    group: 'Front door',
    help: 'how long a connection may rest between two requests',
  },
  frontdoorSendStall: {
    kind: 'duration',
    default: '60s',
    group: 'Front door',
    help: 'a client that takes no byte of its answer for this long is gone',
  },
  frontdoorMaxHeadBytes: {
    kind: 'bytes',
    default: '32KiB',
    group: 'Front door',
    help: 'largest request line with its header fields',
  },
} as const
