// Which blobs a copy carries: all of them, or a part.

import { exactByteText } from '#kit/byte-text.ts'

export type SelectionOptions = {
  /** Keep what is pulled most, up to so many bytes in all. */
  readonly capBytes: number | undefined
  /** Globs of repository names; none: all. */
  readonly repositories: readonly string[]
  /** `os/architecture[/variant]`; none: all. */
  readonly platforms: readonly string[]
  readonly minBytes: number
  readonly maxBytes: number | undefined
}

/** In words, the same for the same selection; empty: all blobs. */
export function describeSelection(options: SelectionOptions): string {
  const { capBytes, repositories, platforms, minBytes, maxBytes } = options
  const parts = [
    repositories.length > 0 && `repositories ${repositories.toSorted().join(' ')}`,
    platforms.length > 0 && `platforms ${platforms.toSorted().join(' ')}`,
    minBytes > 0 && `blobs of at least ${exactByteText(minBytes)}`,
    maxBytes !== undefined && `blobs of at most ${exactByteText(maxBytes)}`,
    capBytes !== undefined && `the most pulled up to ${exactByteText(capBytes)}`,
  ]
  return parts.filter((part) => part !== false).join(', ')
}

export function fitsSize(sizeBytes: number, { minBytes, maxBytes }: SelectionOptions): boolean {
  return sizeBytes >= minBytes && (maxBytes === undefined || sizeBytes <= maxBytes)
}

/** `*` and `?` stay within one part of the name, `**` does not. */
export function matchesGlob(name: string, glob: string): boolean {
  const pattern = glob.replace(/\*\*|[*?]|[^*?]+/g, (part) => {
    if (part === '**') return '.*'
    if (part === '*') return '[^/]*'
    return part === '?' ? '[^/]' : part.replace(/[\\^$.|+()[\]{}]/g, '\\$&')
  })
  return new RegExp(`^${pattern}$`).test(name)
}

export type NamedPlatform = {
  readonly os: string
  readonly architecture: string
  readonly variant?: string | undefined
}

const platformPattern = /^([a-z0-9]+)\/([a-z0-9_]+)(?:\/([a-z0-9.]+))?$/

export function isPlatform(text: string): boolean {
  return platformPattern.test(text)
}

/** A choice without a variant takes all of them. */
export function matchesPlatform({ os, architecture, variant }: NamedPlatform, choice: string): boolean {
  const match = platformPattern.exec(choice)
  return match?.[1] === os && match[2] === architecture && (match[3] === undefined || match[3] === variant)
}
