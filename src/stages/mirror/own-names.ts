// Names that a host may not have. Go's clients (docker, containerd, podman) send Authorization on when a redirect leads to the same
// hostname, whatever its port, or to a name below it (net/http shouldCopyHeaderOnRedirect): such a host would be handed credentials.

/** The one of our own names that a host of this hostname would be taken for. */
export function ownNameAbove(hostname: string, ownNames: readonly string[]): string | undefined {
  const bare = hostname.replace(/\.$/, '')
  return ownNames.find((name) => bare === name || bare.endsWith(`.${name}`))
}

export function ownNameOfUrl(url: string, ownNames: readonly string[]): string | undefined {
  return ownNames.length === 0 ? undefined : ownNameAbove(new URL(url).hostname, ownNames)
}
