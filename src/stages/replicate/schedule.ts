// When blobs may be transferred, and how fast: time windows of the day, in this machine's local time.

/** Minutes from midnight; `to` at or below `from` is of the next day. */
export type TimeWindow = {
  readonly fromMinute: number
  readonly toMinute: number
  /** Undefined: as at any other time; 0: no limit. */
  readonly bytesPerSecond: number | undefined
}

export type ScheduleOptions = {
  /** None: always. */
  readonly windows: readonly TimeWindow[]
  /** 0: no limit. */
  readonly bytesPerSecond: number
  /** Outside all windows; 0: nothing is transferred. */
  readonly outsideBytesPerSecond: number
}

const windowPattern = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]|24):([0-5]\d)$/
const dayMinutes = 24 * 60
const minuteMs = 60_000

/** `22:00-06:00`; undefined: it is no window. The rate behind a slash is the caller's to read. */
export function parseTimeWindow(text: string): Omit<TimeWindow, 'bytesPerSecond'> | undefined {
  const match = windowPattern.exec(text)
  if (!match) return undefined
  const [fromMinute, toMinute] = [Number(match[1]) * 60 + Number(match[2]), Number(match[3]) * 60 + Number(match[4])]
  return toMinute <= dayMinutes && fromMinute !== toMinute ? { fromMinute, toMinute } : undefined
}

export class Schedule {
  readonly #options: ScheduleOptions

  constructor(options: ScheduleOptions) {
    this.#options = options
  }

  /** Bytes per second, 0 without a limit; undefined: not now. Of several windows the first one counts. */
  rateAt(nowMs: number): number | undefined {
    const { windows, bytesPerSecond, outsideBytesPerSecond } = this.#options
    if (windows.length === 0) return bytesPerSecond
    const now = new Date(nowMs)
    const minute = now.getHours() * 60 + now.getMinutes()
    const window = windows.find((one) => holds(one, minute))
    if (window) return window.bytesPerSecond ?? bytesPerSecond
    return outsideBytesPerSecond > 0 ? outsideBytesPerSecond : undefined
  }

  /** The next whole minute at which something may be transferred: by looking, because a day may have 23 hours. */
  opensAtMs(nowMs: number): number {
    if (this.rateAt(nowMs) !== undefined) return nowMs
    const first = Math.ceil(nowMs / minuteMs) * minuteMs
    for (let at = first; at <= first + 2 * dayMinutes * minuteMs; at += minuteMs) {
      if (this.rateAt(at) !== undefined) return at
    }
    return first
  }
}

function holds({ fromMinute, toMinute }: TimeWindow, minute: number): boolean {
  return fromMinute < toMinute ? minute >= fromMinute && minute < toMinute : minute >= fromMinute || minute < toMinute
}
