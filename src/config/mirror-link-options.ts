// How front doors and the mirror role reach each other: rows of the table of options.

export const mirrorLinkOptions = {
  mirrorListen: {
    kind: 'listen',
    group: 'Front doors',
    help: 'where the mirror role gives front doors its snapshots and takes what they saw; default: 127.0.0.1:5004, left out with a warning where another program has that port. On loopback always plain http',
  },
  mirrorUrl: {
    kind: 'url',
    group: 'Front doors',
    help: 'address of the mirror role, for a front door on a machine of its own: it follows the hosts from there and the published tree from origin-url; default: the data folder',
  },
  frontdoorKey: {
    kind: 'path',
    group: 'Front doors',
    help: 'file of the secret by which front doors and the mirror role know each other; default: keys/frontdoor.key in the data folder, made at the first start of the mirror role',
  },
  ticketKey: {
    kind: 'path',
    group: 'Front doors',
    help: 'file of the key of the tickets on redirects, the same for every front door and origin of one name; default: keys/ticket.key in the data folder, made at the first start',
  },
} as const
