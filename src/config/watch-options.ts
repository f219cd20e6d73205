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
} as const
