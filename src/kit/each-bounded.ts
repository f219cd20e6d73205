/** Works on items in their order, at most `limit` at a time. The first error of a worker or of the source ends it: what runs is
 *  waited for, nothing new begins, and the error is thrown. `work` answers false to begin nothing more. */
export async function eachBounded<T>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<false | undefined>,
): Promise<void> {
  const running = new Set<Promise<void>>()
  let isOver = false
  const failures: unknown[] = []
  const start = (item: T) => {
    const run = work(item)
      .then((answer) => {
        if (answer === false) isOver = true
      })
      .catch((error: unknown) => {
        isOver = true
        failures.push(error)
      })
      .finally(() => running.delete(run))
    running.add(run)
  }
  try {
    for await (const item of items) {
      if (isOver) break
      start(item)
      while (running.size >= limit) await Promise.race(running)
      if (isOver) break
    }
  } finally {
    await Promise.all(running)
  }
  if (failures.length > 0) throw failures[0]
}
