// Which proxy stands before an address, by the variables that every tool reads: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY.

export type ProxySettings = {
  readonly http: string | undefined
  readonly https: string | undefined
  /** Names and suffixes that are asked without one; `*`: all. */
  readonly without: readonly string[]
}

export const noProxy: ProxySettings = { http: undefined, https: undefined, without: [] }

/** HTTP_PROXY counts in lower case only, as in curl: a web server may set the other for its programs from a header. */
export function readProxySettings(environment: Readonly<Record<string, string | undefined>>): ProxySettings {
  const all = environment.all_proxy || environment.ALL_PROXY || undefined
  const without = environment.no_proxy || environment.NO_PROXY || ''
  return {
    http: environment.http_proxy || all,
    https: environment.https_proxy || environment.HTTPS_PROXY || all,
    without: without.split(/[\s,]+/).filter((one) => one !== ''),
  }
}

/** The same for everything. */
export function oneProxy(url: string): ProxySettings {
  return { http: url, https: url, without: [] }
}

export function proxyFor(url: URL, { http, https, without }: ProxySettings): string | undefined {
  const proxy = url.protocol === 'https:' ? https : http
  if (proxy === undefined) return undefined
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const isLeftOut = without.some((one) => {
    const [name, port] = splitPort(one.toLowerCase().replace(/^\*?\./, ''))
    if (port !== undefined && port !== (url.port || (url.protocol === 'https:' ? '443' : '80'))) return false
    return name === '*' || host === name || host.endsWith(`.${name}`)
  })
  return isLeftOut ? undefined : proxy
}

function splitPort(text: string): [string, string | undefined] {
  const match = /^([^:]+):([0-9]+)$/.exec(text)
  return match ? [match[1]!, match[2]] : [text, undefined]
}

/** Undefined: not an address of an http or https proxy. `host:port` alone is one, as for curl. */
export function parseProxyUrl(text: string): string | undefined {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`)
  return url?.protocol === 'http:' || url?.protocol === 'https:' ? url.href : undefined
}
