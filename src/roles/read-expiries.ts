// When what this installation signed expires, as its files say it: a worker that hangs must not look well.

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '#config/config.ts'
import { timestampPath } from '#snapshots/tree-contents.ts'
import { rootsFolder } from '#trust/open-trust.ts'

/** Seconds since 1970; undefined, or left out: there is none. */
export type Expiries = {
  readonly rootSeconds: number | undefined
  readonly timestamps: readonly { readonly channel: string; readonly seconds: number }[]
}

export async function readExpiries(config: Config): Promise<Expiries> {
  const folder = rootsFolder(config.keys)
  const versions = (await readdir(folder).catch(() => []))
    .map((name) => Number.parseInt(name, 10))
    .filter(Number.isFinite)
  const root = versions.length > 0 ? join(folder, `${Math.max(...versions)}.root.json`) : undefined
  const timestamps: { channel: string; seconds: number }[] = []
  for (const channel of config.settings.publicChannels) {
    const seconds = await expiryOf(join(config.tree, channel, timestampPath))
    if (seconds !== undefined) timestamps.push({ channel, seconds })
  }
  return { rootSeconds: root === undefined ? undefined : await expiryOf(root), timestamps }
}

async function expiryOf(path: string): Promise<number | undefined> {
  try {
    const { signed } = JSON.parse(await readFile(path, 'utf8')) as { signed: { expires: string } }
    return Date.parse(signed.expires) / 1000
  } catch {
    return undefined
  }
}
