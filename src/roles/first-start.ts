// What the first start makes: the admin token, and a robot that may only push, so that nobody puts the admin token into docker's
// configuration. Both lie in <data>/keys, 0600.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { formatGrant, type Grant } from '#access/grants.ts'
import { hashSecret, makeSecret } from '#access/secrets.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { addToken, findToken } from '#catalogue/tokens.ts'
import type { Config } from '#config/config.ts'
import { createFileAtomically, makeFolder } from '#kit/atomic-file.ts'

export const pushRobot = 'builder'
const pushGrants: readonly Grant[] = [{ kind: 'repository', pattern: '**', actions: ['pull', 'push'] }]

export const adminTokenPath = (config: Config) => join(config.keys, 'admin-token')
export const pushTokenPath = (config: Config) => join(config.keys, `${pushRobot}-token`)

export async function adminToken(config: Config): Promise<string> {
  return config.settings.adminToken ?? (await secretIn(config, adminTokenPath(config)))
}

export async function ensurePushRobot(config: Config, catalogue: Catalogue, nowMs: number): Promise<void> {
  if (await findToken(catalogue, { name: pushRobot })) return
  await addToken(catalogue, {
    name: pushRobot,
    secretHash: hashSecret(await secretIn(config, pushTokenPath(config))),
    grants: pushGrants.map(formatGrant),
    createdBy: 'first start',
    createdAtMs: nowMs,
    expiresAtMs: undefined,
  })
}

async function secretIn(config: Config, path: string): Promise<string> {
  await makeFolder(config.keys, 0o700)
  // Whoever loses the race reads the winner's secret.
  await createFileAtomically(path, `${makeSecret()}\n`, 0o600)
  return (await readFile(path, 'utf8')).trim()
}
