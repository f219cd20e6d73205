import { type Config, isLoopbackHost } from '#config/config.ts'

/** Hostnames under which we answer, as URLs spell them; hosts may be none of these, nor lie below them. Loopback ones are everybody's. */
export function ownNames({ urls }: Pick<Config, 'urls'>): string[] {
  const names = Object.values(urls)
    .filter((url) => url !== undefined)
    .map((url) => new URL(url).hostname)
  return [...new Set(names.filter((name) => !isLoopbackHost(name.replace(/^\[|\]$/g, ''))))]
}
