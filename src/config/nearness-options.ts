// Which hosts are near, and how full a front door makes one before it sends clients farther: rows of the table of options.

export const nearnessOptions = {
  asns: {
    kind: 'path',
    group: 'Hosts',
    help: 'address-to-AS database (MaxMind format), by which clients meet the hosts of their own AS first; default: none',
  },
  frontDoors: {
    kind: 'count',
    default: '1',
    group: 'Hosts',
    help: "front doors that share the clients of this name: each fills its part of a host's bandwidth",
  },
  hostBacklog: {
    kind: 'duration',
    default: '10s',
    group: 'Hosts',
    help: 'a host that is busy for so long with what was sent there takes no more clients while another one is free; half of it for clients from outside its networks and country',
  },
} as const
