// What front doors in processes of their own counted, from their folders into the catalogue.

import { lstat, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { takeReport } from '#catalogue/reports.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { maxPullReportBytes, PullReportRefused, parsePullReport } from '#snapshots/pull-report.ts'

/** Of one front door in one round: a worker that was away catches up over several. */
const maxReportsPerRound = 500

export type TakeOptions = {
  /** With a folder per front door, each with its reports in `pulls/`. */
  readonly frontDoors: string
  /** Whose pulls are counted. */
  readonly channels: readonly string[]
  /** Most names of a kind that have a row of their own in an hour. */
  readonly maxSubjects: number
  readonly now: () => number
  /** Told of what was moved aside, and why. */
  readonly onRefused: (movedTo: string, error: Error) => void
}

/** Resolves to how many were taken. One that was left behind by a crash after its commit is known by its number, and only deleted. */
export async function takePullReports(catalogue: Catalogue, options: TakeOptions): Promise<number> {
  let taken = 0
  for (const frontDoor of await listNames(options.frontDoors)) {
    const folder = join(options.frontDoors, frontDoor, 'pulls')
    const names = (await listNames(folder)).filter((name) => /^[0-9a-z-]+\.pulls$/.test(name)).sort()
    for (const name of names.slice(0, maxReportsPerRound)) {
      if (await takeFile(catalogue, join(folder, name), options)) taken++
    }
  }
  return taken
}

async function takeFile(catalogue: Catalogue, path: string, options: TakeOptions): Promise<boolean> {
  const { channels, maxSubjects, now, onRefused } = options
  try {
    const report = parsePullReport(await readReport(path))
    if (!channels.includes(report.channel))
      throw new PullReportRefused(`the channel ${report.channel} is not published here`)
    await takeReport(catalogue, report, { maxSubjects, nowMs: now() })
  } catch (error) {
    if (!(error instanceof PullReportRefused)) throw error
    const aside = `${path}.refused`
    await rename(path, aside)
    onRefused(aside, error)
    return false
  }
  await rm(path)
  return true
}

async function readReport(path: string): Promise<string> {
  const found = await lstat(path)
  if (!found.isFile()) throw new PullReportRefused('it is no file')
  if (found.size > maxPullReportBytes)
    throw new PullReportRefused(`it has ${found.size} bytes, and at most ${maxPullReportBytes} are read`)
  return await readFile(path, 'latin1')
}

async function listNames(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw error
  }
}
