// The token protocol as docker speaks it, for tests that talk to a registry themselves.

export type RegistryAccess = {
  /** http(s)://host:port */
  readonly base: string
  readonly login: { readonly user: string; readonly password: string }
  /** PEM file of the authority to believe. */
  readonly trust?: string | undefined
}

/** Options for fetch. */
export function trusting(trust: string | undefined): BunFetchRequestInit {
  return trust === undefined ? {} : { tls: { ca: Bun.file(trust) } }
}

/** What to send as Authorization for pulls from and pushes to one repository. */
export async function authorize({ base, login, trust }: RegistryAccess, repository: string): Promise<string> {
  const basic = `Basic ${btoa(`${login.user}:${login.password}`)}`
  const challenge = (await fetch(`${base}/v2/`, trusting(trust))).headers.get('www-authenticate') ?? ''
  const realm = /realm="([^"]+)"/.exec(challenge)?.[1]
  if (!challenge.startsWith('Bearer') || realm === undefined) return basic
  const service = /service="([^"]+)"/.exec(challenge)?.[1] ?? ''
  const query = new URLSearchParams({ service, scope: `repository:${repository}:pull,push` })
  const answer = await fetch(`${realm}?${query}`, { headers: { authorization: basic }, ...trusting(trust) })
  if (!answer.ok) throw new Error(`${realm}: ${answer.status} ${await answer.text()}`)
  const { token } = (await answer.json()) as { token: string }
  return `Bearer ${token}`
}
