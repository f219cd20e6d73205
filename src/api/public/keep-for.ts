/** One read for all who ask within `ms`. A read that fails is not kept. */
export function keepFor<T>(ms: number, now: () => number, read: () => Promise<T>): () => Promise<T> {
  let kept: { readonly untilMs: number; readonly value: Promise<T> } | undefined
  return () => {
    if (kept && now() < kept.untilMs) return kept.value
    const mine = { untilMs: now() + ms, value: read() }
    kept = mine
    mine.value.catch(() => {
      if (kept === mine) kept = undefined
    })
    return mine.value
  }
}
