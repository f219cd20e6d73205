// Counters of a front door with labels: closed lists of words, and hosts, which the placement bounds and a limit besides.

import { Counter, type Registry } from 'prom-client'
import type { FrontDoor } from '#stages/redirect/front-door.ts'

type Labelled = Iterable<readonly [string, number]>

export function addFrontTallies(registry: Registry, { tallies, statistics }: FrontDoor): void {
  const add = (name: string, label: string, help: string, read: () => Labelled) =>
    addLabelled(registry, { name: `flotilla_frontdoor_${name}_total`, label, help, read })
  add('answers', 'step', 'answers about blobs and manifests, by the step of the decision', () =>
    Object.entries(tallies.steps),
  )
  add('grade_redirects', 'grade', 'redirects, by the grade of the host', () => Object.entries(tallies.redirects))
  add('grade_redirected_bytes', 'grade', 'bytes asked for of hosts, by their grade', () =>
    Object.entries(tallies.redirectedBytes),
  )
  add('evidence', 'kind', 'what was reported about hosts, by kind', () => Object.entries(tallies.evidence))
  const ofHosts = (value: 'redirects' | 'redirectedBytes' | 'held') => () =>
    [...statistics.hostTotals].map(([host, total]) => [host, total[value]] as const)
  add('host_redirects', 'host', 'redirects, by host, as of the last ten seconds', ofHosts('redirects'))
  add('host_redirected_bytes', 'host', 'bytes asked for, by host', ofHosts('redirectedBytes'))
  add('host_held', 'host', 'redirects that waited for a probe of this host', ofHosts('held'))
}

function addLabelled(
  registry: Registry,
  { name, label, help, read }: { name: string; label: string; help: string; read: () => Labelled },
): void {
  const told = new Map<string, number>()
  new Counter({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      for (const [word, count] of read()) {
        this.inc({ [label]: word }, count - (told.get(word) ?? 0))
        told.set(word, count)
      }
    },
  })
}
