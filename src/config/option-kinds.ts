// How the text of an option becomes a value. Each kind says in one clause what it takes, so that a refusal can say it too.

export type Listen = { readonly host: string; readonly port: number }

export type Kind<T> = { readonly takes: string; parse(text: string): T | undefined; format(value: T): string }

const text: Kind<string> = { takes: 'text', parse: (value) => value, format: (value) => value }

const integer: Kind<number> = {
  takes: 'a whole number, 0 or more',
  parse: (value) => (/^\d{1,15}$/.test(value) ? Number(value) : undefined),
  format: String,
}

const flag: Kind<boolean> = {
  takes: 'true or false (or 1 or 0)',
  parse: (value) => ({ true: true, '1': true, yes: true, false: false, '0': false, no: false })[value.toLowerCase()],
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
    return unit ? Number(match[1]) * unit : undefined
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

const duration: Kind<number> = {
  takes: 'a time: 250ms, 10s, 5m, 12h, 30d',
  parse(value) {
    const match = /^(\d{1,12})\s*(ms|s|m|h|d)$/.exec(value.trim())
    return match ? Number(match[1]) * durationUnits[match[2]!]! : undefined
  },
  format(value) {
    for (const unit of ['d', 'h', 'm', 's'] as const) {
      if (value > 0 && value % durationUnits[unit]! === 0) return `${value / durationUnits[unit]!}${unit}`
    }
    return `${value}ms`
  },
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

const url: Kind<string> = {
  takes: 'an http or https address without a path',
  parse(value) {
    try {
      const parsed = new URL(value)
      const isPlain = parsed.pathname === '/' && parsed.search === '' && parsed.username === '' && parsed.hash === ''
      return isPlain && (parsed.protocol === 'http:' || parsed.protocol === 'https:') ? parsed.origin : undefined
    } catch {
      return undefined
    }
  },
  format: (value) => value,
}

export const kinds = { text, path: text, integer, flag, bytes, duration, listen, list, url } as const
export type KindName = keyof typeof kinds
export type ValueOf<K extends KindName> = (typeof kinds)[K] extends Kind<infer T> ? T : never
