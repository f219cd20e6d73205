// Which rows of the statistics anybody may see. The others are counted together, so that the sums are the same.

import type { View } from '#snapshots/holder.ts'
import { type Measure, measures, otherSubject, type SubjectKind } from '#snapshots/statistics.ts'

export type Counted = { readonly subject: string; readonly values: readonly number[] }

/** So few answers of a country could be those of one person. */
const fewestOfCountry = 20

const answers: readonly Measure[] = ['redirects', 'manifests', 'packed', 'origin', 'streams', 'told', 'refused']
const answerPlaces = answers.map((name) => measures.indexOf(name))

function answersOf(values: readonly number[]): number {
  return answerPlaces.reduce((sum, place) => sum + values[place]!, 0)
}

export function foldHidden(rows: readonly Counted[], isShown: (row: Counted) => boolean): Counted[] {
  const shown = rows.filter((row) => row.subject !== otherSubject && isShown(row))
  const hidden = rows.filter((row) => row.subject === otherSubject || !isShown(row))
  if (hidden.length === 0) return shown
  const values = hidden[0]!.values.map((_, i) => hidden.reduce((sum, row) => sum + row.values[i]!, 0))
  return [...shown, { subject: otherSubject, values }]
}

/** By what is public now: a host that became private is so for its past too. */
export function publicRows(kind: SubjectKind, { fleet, publication }: View): (row: Counted) => boolean {
  const repositories = publication?.publication.repositories
  const hosts = new Set(kind === 'host' ? fleet.placement.world.map(({ host }) => host.name) : [])
  return ({ subject, values }) => {
    if (subject.startsWith('(')) return true
    if (kind === 'host') return hosts.has(subject)
    if (kind === 'repository') return repositories?.has(subject) === true
    if (kind === 'country') return answersOf(values) >= fewestOfCountry
    const colon = subject.lastIndexOf(':')
    return repositories?.get(subject.slice(0, colon))?.tags.has(subject.slice(colon + 1)) === true
  }
}
