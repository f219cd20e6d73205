// The secret that front doors show to the mirror role, and the key of the tickets: files of the data folder, or copies of them on a
// front door's own machine.

import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { makeSecret } from '#access/secrets.ts'
import type { Config } from '#config/config.ts'
import { ConfigError } from '#config/load-config.ts'
import { createFileAtomically, makeFolder } from '#kit/atomic-file.ts'
import { findFileBytes } from '#kit/find-file-bytes.ts'

const leastLength = 20
const ticketKeyBytes = 32

const frontDoorKeyPath = ({ settings, keys }: Config) => settings.frontdoorKey ?? join(keys, 'frontdoor.key')

/** The mirror role's own, made at its first start. */
export async function openFrontDoorKey(config: Config): Promise<string> {
  if (config.settings.frontdoorKey === undefined) {
    await makeFolder(config.keys, 0o700)
    await createFileAtomically(frontDoorKeyPath(config), `${makeSecret()}\n`, 0o600)
  }
  return (await findFrontDoorKey(config))!
}

/** Undefined: there is none here. Throws ConfigError where others could read it, or it is none. */
export async function findFrontDoorKey(config: Config): Promise<string | undefined> {
  const path = frontDoorKeyPath(config)
  const bytes = await findFileBytes(path)
  if (!bytes) return undefined
  await requirePrivate(path, 'frontdoor-key')
  const secret = bytes.toString().trim()
  if (secret.length < leastLength || /\s/.test(secret))
    throw new ConfigError(`frontdoor-key: ${path} holds no secret: one line of at least ${leastLength} characters`)
  return secret
}

/** Of a front door elsewhere. Throws ConfigError when it is missing. */
export async function requireFrontDoorKey(config: Config): Promise<string> {
  const secret = await findFrontDoorKey(config)
  if (secret !== undefined) return secret
  throw new ConfigError(
    `frontdoor-key: there is no ${frontDoorKeyPath(config)}: copy keys/frontdoor.key of the mirror role's data folder there`,
  )
}

/** The key of the tickets as `ticket-key` names it, or as it lies in a folder that another machine's was copied to. Throws ConfigError. */
export async function requireTicketKey({ settings, keys }: Config): Promise<Uint8Array> {
  const path = settings.ticketKey ?? join(keys, 'ticket.key')
  const bytes = await findFileBytes(path)
  if (!bytes)
    throw new ConfigError(
      `ticket-key: there is no ${path}: copy keys/ticket.key of the data folder there, or hosts could send no client back`,
    )
  await requirePrivate(path, 'ticket-key')
  if (bytes.length < ticketKeyBytes)
    throw new ConfigError(`ticket-key: ${path} has ${bytes.length} bytes, and a key has at least ${ticketKeyBytes}`)
  return bytes
}

/** The file of this data folder; made at the first start. */
export async function openTicketKey(config: Config, make: () => Uint8Array): Promise<Uint8Array> {
  if (config.settings.ticketKey !== undefined) return await requireTicketKey(config)
  await makeFolder(config.keys, 0o700)
  const path = join(config.keys, 'ticket.key')
  await createFileAtomically(path, make(), 0o600)
  return await readFile(path)
}

async function requirePrivate(path: string, option: string): Promise<void> {
  const { mode } = await stat(path)
  if ((mode & 0o007) !== 0)
    throw new ConfigError(
      `${option}: everybody on this machine can read ${path} (mode ${(mode & 0o777).toString(8)}): chmod 600 it`,
    )
}
