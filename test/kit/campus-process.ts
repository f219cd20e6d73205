// A campus as its operator meets it: `flotilla serve frontdoor --copy DIR`, on one port over all its starts.

import { join } from 'node:path'
import { flotillaProgram } from './flotilla.ts'
import { type RunningProcess, startProcess } from './process.ts'
import { waitUntil } from './wait-until.ts'

export type CampusPlace = {
  /** Of the campus alone: data and log. */
  readonly folder: string
  readonly copy: string
  readonly port: number
  /** Given as FLOTILLA_BLOBS instead of --copy: a replicated tree is a valid blob store. */
  readonly isBlobStore?: boolean
}

/** Resolves when it is ready. */
export async function startCampus({ folder, copy, port, isBlobStore }: CampusPlace): Promise<RunningProcess> {
  const server = startProcess(flotillaProgram, ['serve', 'frontdoor', ...(isBlobStore ? [] : ['--copy', copy])], {
    logFile: join(folder, 'campus.log'),
    cwd: folder,
    env: {
      HOME: folder,
      FLOTILLA_DATA: join(folder, 'data'),
      FLOTILLA_FRONTDOOR_LISTEN: `127.0.0.1:${port}`,
      ...(isBlobStore && { FLOTILLA_BLOBS: copy }),
    },
  })
  await waitUntil(async () => !server.isRunning() || (await fetch(`http://127.0.0.1:${port}/readyz`)).ok, {
    what: 'the campus is ready',
  })
  if (!server.isRunning()) throw new Error(`the campus ended at its start:\n${server.output()}`)
  return server
}
