import type { StatisticsAges } from '#catalogue/statistics.ts'
import type { Settings } from '#config/load-config.ts'

export function statisticsAges(
  settings: Pick<Settings, 'statisticsHours' | 'statisticsDays' | 'statisticsMonths' | 'statisticsNames'>,
): StatisticsAges {
  return {
    hoursKeptMs: settings.statisticsHours,
    daysKeptMs: settings.statisticsDays,
    monthsKeptMs: settings.statisticsMonths,
    maxSubjects: settings.statisticsNames,
  }
}
