/** The list in parts, in order: SQLite takes 32,766 parameters in one statement, PostgreSQL 65,535. */
export function* batchesOf<T>(list: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < list.length; at += size) yield list.slice(at, at + size)
}
