import { describe, expect, test } from 'bun:test'
import { parseTimeWindow, Schedule } from './schedule.ts'

/** Of a day in this machine's local time. */
const at = (time: string, day = 10) => {
  const [hours, minutes] = time.split(':').map(Number)
  return new Date(2026, 5, day, hours, minutes).getTime()
}
const window = (text: string, bytesPerSecond?: number) => ({ ...parseTimeWindow(text)!, bytesPerSecond })
const rates = { bytesPerSecond: 100, outsideBytesPerSecond: 0 }

test.each(['22:00', '22:00-22:00', '25:00-26:00', '22:60-23:00', '22:00-24:01', '2:00-3:00', '22:00-06:00/5M', ''])(
  '%p is no window',
  (text) => expect(parseTimeWindow(text)).toBeUndefined(),
)

describe('a schedule', () => {
  test.each<[string, string, number | undefined]>([
    ['22:00-06:00', '21:59', undefined],
    ['22:00-06:00', '22:00', 100],
    ['22:00-06:00', '23:59', 100],
    ['22:00-06:00', '00:00', 100],
    ['22:00-06:00', '05:59', 100],
    ['22:00-06:00', '06:00', undefined],
    ['12:00-13:00', '12:30', 100],
    ['12:00-13:00', '13:00', undefined],
    ['00:00-24:00', '23:59', 100],
  ])('%s at %s', (text, time, rate) => {
    expect(new Schedule({ windows: [window(text)], ...rates }).rateAt(at(time))).toBe(rate)
  })

  test('without windows is always open', () => {
    const schedule = new Schedule({ windows: [], ...rates })
    expect([schedule.rateAt(at('12:00')), schedule.opensAtMs(at('12:00'))]).toEqual([100, at('12:00')])
  })

  test('has a rate for each window and one for all other times; the first window that fits counts', () => {
    const windows = [window('08:00-18:00', 7), window('16:00-22:00', 9), window('22:00-08:00', 0)]
    const schedule = new Schedule({ windows: windows.slice(0, 2), bytesPerSecond: 100, outsideBytesPerSecond: 3 })
    expect(['09:00', '17:00', '19:00', '23:00'].map((time) => schedule.rateAt(at(time)))).toEqual([7, 7, 9, 3])
    expect(new Schedule({ windows, ...rates }).rateAt(at('23:00'))).toBe(0)
  })

  test('tells when it opens next', () => {
    const schedule = new Schedule({ windows: [window('22:00-06:00'), window('12:00-12:10')], ...rates })
    expect(schedule.opensAtMs(at('06:00'))).toBe(at('12:00'))
    expect(schedule.opensAtMs(at('12:10') + 1)).toBe(at('22:00'))
    expect(schedule.opensAtMs(at('23:00'))).toBe(at('23:00'))
    expect(new Schedule({ windows: [window('01:00-02:00')], ...rates }).opensAtMs(at('03:00'))).toBe(at('01:00', 11))
  })
})
