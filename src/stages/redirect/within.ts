/** Whether it was less than `windowMs` ago. A time that lies further ahead than that is of a clock that was set back, and long ago. */
export function isWithin(windowMs: number, atMs: number, nowMs: number): boolean {
  return Math.abs(nowMs - atMs) < windowMs
}

/** A client that is held has asked before the proof that it is held for. */
const aheadMs = 60_000

/** The same, for what may have happened a little later than `nowMs`. */
export function isLately(forMs: number, atMs: number, nowMs: number): boolean {
  return nowMs - atMs < forMs && atMs - nowMs < aheadMs
}
