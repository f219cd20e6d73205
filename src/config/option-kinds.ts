// How the text of an option becomes a value. Each kind says in one clause what it takes, so that a refusal can say it too.

import { parseCidr } from '#kit/address.ts'

export type Listen = { readonly host: string; readonly port: number }

export type Kind<T> = { readonly takes: string; parse(text: string): T | undefined; format(value: T): string }

const text: Kind<string> = { takes: 'text, not empty', parse: (value) => value || undefined, format: (value) => value }

const path: Kind<string> = { ...text, takes: 'a path' }

const integer: Kind<number> = {
  takes: 'a whole number, 0 or more',
  parse: (value) => (/^\d{1,9}$/.test(value) ? Number(value) : undefined),
  format: String,
}

const count: Kind<number> = {
  takes: 'a whole number, 1 or more',
  parse: (value) => (/^[1-9]\d{0,8}$/.test(value) ? Number(value) : undefined),
  format: String,
}

const flagWords = new Map([
  ...['true', '1', 'yes'].map((word) => [word, true] as const),
  ...['false', '0', 'no'].map((word) => [word, false] as const),
])

const flag: Kind<boolean> = {
  takes: 'true or false (or 1 or 0)',
  parse: (value) => flagWords.get(value.toLowerCase()),
  format: String,
}

const byteUnits: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  K: 2 ** 10,
  KIB: 2 ** 10,
  M: 2 ** 20,
  MIB: 2 ** 20,
  G: 2 ** 30,
  GIB: 2 ** 30,
  T: 2 ** 40,
  TIB: 2 ** 40,
}

const bytes: Kind<number> = {
  takes: 'a size: 4096, 64KiB, 4MiB, 500G',
  parse(value) {
    const match = /^(\d{1,12})\s*([A-Za-z]*)$/.exec(value.trim())
    const unit = match && byteUnits[match[2]!.toUpperCase()]
    const size = unit ? Number(match[1]) * unit : Number.NaN
    return Number.isSafeInteger(size) ? size : undefined
  },
  format(value) {
    for (const [unit, size] of [
      ['TiB', 2 ** 40],
      ['GiB', 2 ** 30],
      ['MiB', 2 ** 20],
      ['KiB', 2 ** 10],
    ] as const) {
      if (value >= size && value % size === 0) return `${value / size}${unit}`
    }
    return String(value)
  },
}

const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** What a timer can wait for: a longer one would fire at once. */
const maxDurationMs = 2 ** 31 - 1

function parseDuration(value: string): number {
  const match = /^(\d{1,12})\s*(ms|s|m|h|d)$/.exec(value.trim())
  return match ? Number(match[1]) * durationUnits[match[2]!]! : Number.NaN
}

const duration: Kind<number> = {
  takes: 'a time, at most 24 days: 250ms, 10s, 5m, 12h, 7d',
  parse(value) {
    const ms = parseDuration(value)
    return ms <= maxDurationMs ? ms : undefined
  },
  format(value) {
    for (const unit of ['d', 'h', 'm', 's'] as const) {
      if (value > 0 && value % durationUnits[unit]! === 0) return `${value / durationUnits[unit]!}${unit}`
    }
    return `${value}ms`
  },
}

const minLifetimeMs = 1000
const maxLifetimeMs = 3650 * 86_400_000

/** Of what is signed: compared with the clock, never waited for by a timer; signed times have whole seconds. */
const lifetime: Kind<number> = {
  takes: 'a time from 1s to 3650d',
  parse(value) {
    const ms = parseDuration(value)
    return ms >= minLifetimeMs && ms <= maxLifetimeMs ? ms : undefined
  },
  format: duration.format,
}

const listen: Kind<Listen> = {
  takes: 'host:port, as 127.0.0.1:5000 or [::1]:5000; port 0 takes a free one',
  parse(value) {
    const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^[\]:]+)):(\d{1,5})$/.exec(value.trim())
    const port = Number(match?.[3] ?? 65536)
    return match && port < 65536 ? { host: (match[1] ?? match[2])!, port } : undefined
  },
  format: ({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`),
}

const list: Kind<readonly string[]> = {
  takes: 'words parted by commas',
  parse: (value) =>
    value
      .split(',')
      .map((word) => word.trim())
      .filter((word) => word !== ''),
  format: (value) => value.join(','),
}

/** As its name stands in paths of the published tree and in the roles of signatures. */
const channelPattern = /^[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?$/

const channels: Kind<readonly string[]> = {
  ...list,
  takes: 'different channel names parted by commas (a-z, 0-9 and - inside; at most 32 characters each)',
  parse(value) {
    const names = list.parse(value)!
    return names.every((name) => channelPattern.test(name)) && new Set(names).size === names.length ? names : undefined
  },
}

const networks: Kind<readonly string[]> = {
  ...list,
  takes: 'networks parted by commas, as 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1',
  parse(value) {
    const words = list.parse(value)!
    return words.every((word) => parseCidr(word) !== undefined) ? words : undefined
  },
}

const catalogue: Kind<string> = {
  takes: 'sqlite:<path> or postgres://<user>@<host>/<database>',
  parse: (value) => (/^(sqlite:.|postgres(ql)?:\/\/.)/.test(value) ? value : undefined),
  format: (value) => value,
}

const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

const level: Kind<string> = {
  takes: `one of ${levels.join(', ')}`,
  parse: (value) => (levels.includes(value) ? value : undefined),
  format: (value) => value,
}

const proxyProtocolModes = ['off', 'on', 'optional'] as const

const proxyProtocol: Kind<(typeof proxyProtocolModes)[number]> = {
  takes: 'off, on (all of them must) or optional (they may)',
  parse: (value) => proxyProtocolModes.find((mode) => mode === value),
  format: (value) => value,
}

const url: Kind<string> = {
  takes: 'an http or https address without a path',
  parse(value) {
    try {
      const parsed = new URL(value)
      const isPlain = parsed.href === `${parsed.origin}/` && !value.includes('?') && !value.includes('#')
      return isPlain && (parsed.protocol === 'http:' || parsed.protocol === 'https:') ? parsed.origin : undefined
    } catch {
      return undefined
    }
  },
  format: (value) => value,
}

const signer: Kind<string> = {
  takes: 'file, command:<program and arguments> or unix:<path of a socket>',
  parse: (value) => (/^(file|command:\s*\S.*|unix:.+)$/.test(value) ? value : undefined),
  format: (value) => value,
}

/** One of so many; 0: none. */
const sampling: Kind<number> = {
  takes: 'off, whole, or a part as 1/100',
  parse(value) {
    if (value === 'off' || value === 'whole') return value === 'off' ? 0 : 1
    const match = /^1\/([1-9]\d{0,6})$/.exec(value)
    return match ? Number(match[1]) : undefined
  },
  format: (value) => (value === 0 ? 'off' : value === 1 ? 'whole' : `1/${value}`),
}

const oneOf = <const W extends string>(...words: readonly W[]): Kind<W> => ({
  takes: `one of ${words.join(', ')}`,
  parse: (value) => words.find((word) => word === value),
  format: (value) => value,
})

export const kinds = {
  text,
  path,
  integer,
  count,
  flag,
  bytes,
  duration,
  lifetime,
  listen,
  channels,
  networks,
  catalogue,
  level,
  signer,
  proxyProtocol,
  url,
  sampling,
  logFormat: oneOf('json', 'common'),
  addressDetail: oneOf('masked', 'whole', 'none'),
} as const
export type KindName = keyof typeof kinds
export type ValueOf<K extends KindName> = (typeof kinds)[K] extends Kind<infer T> ? T : never
