// What the operator sees of pulls: statistics, logs, headers. Rows of the table of options.

export const watchOptions = {
  statisticsHours: {
    kind: 'lifetime',
    default: '3d',
    group: 'Statistics',
    help: 'how long statistics are kept by the hour; older ones by the day',
  },
  statisticsDays: {
    kind: 'lifetime',
    default: '92d',
    group: 'Statistics',
    help: 'how long they are kept by the day; older ones by the month',
  },
  statisticsMonths: {
    kind: 'lifetime',
    default: '1830d',
    group: 'Statistics',
    help: 'how long they are kept at all',
  },
  statisticsNames: {
    kind: 'count',
    default: '2000',
    group: 'Statistics',
    help: 'hosts, countries, repositories and tags, of each, that are counted by name within one hour, day or month; the others are counted together',
  },
  accessLog: {
    kind: 'sampling',
    default: 'off',
    group: 'Statistics',
    help: 'whether the front door writes a line for each request, or for some of them by chance',
  },
  accessLogFile: {
    kind: 'path',
    group: 'Statistics',
    help: 'where these lines go; opened anew on SIGHUP or SIGUSR1; default: stdout',
  },
  accessLogFormat: {
    kind: 'logFormat',
    default: 'json',
    group: 'Statistics',
    help: 'lines of JSON, or the common log format, which has no decision and no country',
  },
  accessLogAddresses: {
    kind: 'addressDetail',
    default: 'masked',
    group: 'Statistics',
    help: 'how much of a client address is in these lines; masked: its /24 or /48',
  },
  decisionHeader: {
    kind: 'flag',
    default: 'false',
    group: 'Statistics',
    help: 'answers about blobs and manifests say by which step they came, in the header Flotilla-Decision',
  },
} as const
