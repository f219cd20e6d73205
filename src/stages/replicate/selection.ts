// Which blobs a copy carries: all of them, or a part.

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
