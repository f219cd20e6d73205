// What the status routes answer, as their readers see it.

import type { z } from '@hono/zod-openapi'
import type { StatisticsDocument } from '#api/routes/statistics-schemas.ts'
import type {
  StatusGenerations,
  StatusHosts,
  StatusOverview,
  StatusRepositories,
  StatusRepository,
} from '#api/routes/status-schemas.ts'

export type OverviewView = z.infer<typeof StatusOverview>
export type GenerationsView = z.infer<typeof StatusGenerations>
export type RepositoriesView = z.infer<typeof StatusRepositories>
export type RepositoryView = z.infer<typeof StatusRepository>
export type StatisticsView = z.infer<typeof StatisticsDocument>
export type HostsView = z.infer<typeof StatusHosts>
export type HostView = HostsView['hosts'][number]
