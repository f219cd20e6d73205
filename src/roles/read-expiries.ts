// When what this installation signed expires, as its files say it: a worker that hangs must not look well.

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '#config/config.ts'
import { timestampPath } from '#snapshots/tree-contents.ts'
import { rootsFolder } from '#trust/open-trust.ts'

/** Seconds from now; undefined, or left out: there is none. */
export type Expiries = {
  readonly rootInSeconds: number | undefined
  readonly timestamps: readonly { readonly channel: string; readonly inSeconds: number }[]
}

export async function readExpiries(config: Config, nowMs: number): Promise<Expiries> {
  const folder = rootsFolder(config.keys)
  const versions = (await readdir(folder).catch(() => []))
    .map((name) => Number.parseInt(name, 10))
    .filter(Number.isFinite)
  const root = versions.length > 0 ? join(folder, `${Math.max(...versions)}.root.json`) : undefined
  const timestamps: { channel: string; inSeconds: number }[] = []
  for (const channel of config.settings.publicChannels) {
    const inSeconds = await secondsLeft(join(config.tree, channel, timestampPath), nowMs)
    if (inSeconds !== undefined) timestamps.push({ channel, inSeconds })
  }
  return { rootInSeconds: root === undefined ? undefined : await secondsLeft(root, nowMs), timestamps }
}

async function secondsLeft(path: string, nowMs: number): Promise<number | undefined> {
  try {
    const { signed } = JSON.parse(await readFile(path, 'utf8')) as { signed: { expires: string } }
    return Math.round((Date.parse(signed.expires) - nowMs) / 1000)
  } catch {
    return undefined
  }
}
