// From flags, environment and flotilla.toml to one checked configuration. Sole reader of the environment.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse as parseToml } from 'smol-toml'
import { kinds, type ValueOf } from './option-kinds.ts'
import { namesOf, type OptionName, type OptionRow, options } from './options.ts'

type Rows = typeof options
export type Settings = {
  readonly [N in OptionName]: Rows[N] extends { readonly default: string }
    ? ValueOf<Rows[N]['kind']>
    : ValueOf<Rows[N]['kind']> | undefined
}

/** Says which option is wrong, where it was set, and what it takes. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

export type ConfigSources = {
  /** By option name, as typed. */
  readonly flags: Readonly<Partial<Record<OptionName, string>>>
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly folder: string
}

const variablesOfOthers = new Set(['FLOTILLA_CONFIG'])

export function loadSettings({ flags, environment, folder }: ConfigSources): {
  settings: Settings
  warnings: readonly string[]
} {
  const file = readFile(environment.FLOTILLA_CONFIG || undefined, folder)
  const settings: Record<string, unknown> = {}
  for (const [name, row] of Object.entries(options) as [OptionName, OptionRow][]) {
    const { flag, variable, key } = namesOf(name)
    const fromFlag = [flags[name], flag] as const
    // Empty is how a shell or a compose file writes unset.
    const fromEnvironment = [environment[variable] || undefined, variable] as const
    const candidates: readonly (readonly [string | undefined, string])[] = [
      ...(row.environmentWins ? [fromEnvironment, fromFlag] : [fromFlag, fromEnvironment]),
      [file.get(key), `${key} in ${file.path}`],
      [row.default, `the default of ${flag}`],
    ]
    const [text, where] = candidates.find(([value]) => value !== undefined) ?? [undefined, '']
    const value = text === undefined ? undefined : kinds[row.kind].parse(text)
    if (text !== undefined && value === undefined) {
      throw new ConfigError(
        `${where}: ${row.isSecret ? 'the value' : JSON.stringify(text)} is not ${kinds[row.kind].takes}`,
      )
    }
    settings[name] = value
  }
  return {
    settings: settings as Settings,
    warnings: strangeVariables(environment),
  }
}

function strangeVariables(environment: ConfigSources['environment']): string[] {
  const known = new Set(Object.keys(options).map((name) => namesOf(name).variable))
  return Object.keys(environment)
    .filter((name) => name.startsWith('FLOTILLA_') && !known.has(name) && !variablesOfOthers.has(name))
    .map((name) => `${name} is set, but there is no such option`)
}

class ConfigFile {
  readonly path: string
  readonly #values: Readonly<Record<string, unknown>>
  constructor(path: string, values: Readonly<Record<string, unknown>>) {
    this.path = path
    this.#values = values
  }
  get(key: string): string | undefined {
    const value = this.#values[key]
    if (value === undefined) return undefined
    return Array.isArray(value) ? value.join(',') : String(value)
  }
}

function readFile(path: string | undefined, folder: string): ConfigFile {
  const where = path ?? join(folder, 'flotilla.toml')
  if (path === undefined && !existsSync(where)) return new ConfigFile('flotilla.toml', {})
  let values: Record<string, unknown>
  try {
    values = parseToml(readFileSync(where, 'utf8'))
  } catch (error) {
    throw new ConfigError(`${where} cannot be read: ${(error as Error).message}`, { cause: error })
  }
  const known = new Set(Object.keys(options).map((name) => namesOf(name).key))
  for (const [key, value] of Object.entries(values)) {
    if (!known.has(key)) throw new ConfigError(`${where}: there is no option ${JSON.stringify(key)}`)
    const isPlain =
      ['string', 'number', 'bigint', 'boolean'].includes(typeof value) ||
      (Array.isArray(value) && value.every((one) => typeof one === 'string'))
    if (!isPlain) throw new ConfigError(`${where}: ${key} must be text, a number, true or false, or a list of texts`)
  }
  return new ConfigFile(where, values)
}
