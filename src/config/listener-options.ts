// Where the program listens, under which addresses others reach it, and TLS: rows of the table of options.

export const listenerOptions = {
  registryListen: { kind: 'listen', default: '127.0.0.1:5000', group: 'Listeners', help: 'where builders push' },
  frontdoorListen: { kind: 'listen', default: '127.0.0.1:5001', group: 'Listeners', help: 'where users pull' },
  apiListen: { kind: 'listen', default: '127.0.0.1:5002', group: 'Listeners', help: 'control API and pages' },
  originListen: {
    kind: 'listen',
    default: '127.0.0.1:5003',
    group: 'Listeners',
    help: 'where hosts copy the published tree',
  },
  metricsListen: {
    kind: 'listen',
    group: 'Listeners',
    help: 'metrics and health of this process on a listener of their own; default: on the api listener',
  },
  registryUrl: { kind: 'url', group: 'Listeners', help: 'public address of the registry; default: from its listener' },
  frontdoorUrl: {
    kind: 'url',
    group: 'Listeners',
    help: 'public address of the front door; default: from its listener',
  },
  apiUrl: {
    kind: 'url',
    group: 'Listeners',
    help: 'public address of the control API, and where commands look for it; default: from its listener',
  },
  originUrl: { kind: 'url', group: 'Listeners', help: 'public address of the origin; default: from its listener' },
  tlsCert: {
    kind: 'path',
    group: 'Listeners',
    help: 'certificate chain (PEM); with tls-key every listener speaks https',
  },
  tlsKey: {
    kind: 'path',
    group: 'Listeners',
    help: 'private key (PEM) of tls-cert; new files are taken up without a restart',
  },
  stall: {
    kind: 'duration',
    default: '60s',
    group: 'Listeners',
    help: 'a request body that brings no byte for this long ends',
  },
  drain: {
    kind: 'duration',
    default: '20s',
    group: 'Listeners',
    help: 'how long running requests may go on after a stop was asked for',
  },
  trustedProxies: {
    kind: 'networks',
    default: '',
    group: 'Listeners',
    help: 'networks (CIDR) of our own proxies, whose X-Forwarded-For and PROXY headers are believed, counted from the right',
  },
} as const
