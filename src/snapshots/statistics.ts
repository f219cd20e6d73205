// What front doors count, in words: of whom, and what. Reports carry it, the catalogue keeps it.

/** What one row is about. */
export const subjectKinds = ['host', 'country', 'repository', 'tag'] as const
export type SubjectKind = (typeof subjectKinds)[number]

/** Answers and their bytes, as promised in their lengths; a redirect has the bytes that were asked for, of a Range its part. */
export const measures = [
  'redirects',
  'redirectedBytes',
  'manifests',
  'manifestBytes',
  'packed',
  'packedBytes',
  'origin',
  'originBytes',
  'streams',
  'streamedBytes',
  'told',
  'refused',
  'held',
] as const
export type Measure = (typeof measures)[number]

export type StatisticsRow = {
  readonly kind: SubjectKind
  /** Name of a host or repository, country code, `repository:tag`, or one of the subjects in brackets. */
  readonly subject: string
  /** In the order of `measures`. */
  readonly values: readonly number[]
}

/** Where nothing that is published was asked for, or nobody knows the country. No name can be the same: they have no brackets. */
export const unknownSubject = '(unknown)'
/** All that found no row of its own within the bound. */
export const otherSubject = '(other)'

const subjectPattern = /^(?:[A-Za-z0-9][A-Za-z0-9._/:-]{0,511}|\((?:unknown|other)\))$/

export function isSubject(text: string): boolean {
  return subjectPattern.test(text)
}
