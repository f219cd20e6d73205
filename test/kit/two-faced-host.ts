// A volunteer's server over a copied tree that is good to whoever asks for a few bytes, as probes do, and can be told to fail the rest.

import { createReadStream, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'

/** whole: as it should be; half: breaks off downloads midway; lacking: answers 404 for blobs. */
export type HostFace = 'whole' | 'half' | 'lacking'

export type TwoFacedHost = AsyncDisposable & {
  readonly url: string
  readonly tree: string
  face: HostFace
  /** Path, range and User-Agent of each request, in order. */
  readonly requests: { readonly path: string; readonly range: string | undefined; readonly agent: string }[]
}

/** Longer than any block that is asked for to prove something. */
const probeBytes = 8192

export async function startTwoFacedHost(tree: string, address: string): Promise<TwoFacedHost> {
  const server = createServer((request, response) => answer(host, request, response))
  await new Promise<void>((resolve) => server.listen(0, address, resolve))
  const { port } = server.address() as { port: number }
  const host: TwoFacedHost = {
    url: `http://${address}:${port}`,
    tree,
    face: 'whole',
    requests: [],
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return host
}

function answer(host: TwoFacedHost, request: IncomingMessage, response: ServerResponse): void {
  const path = new URL(request.url!, 'http://host').pathname
  const { range, 'user-agent': agent = '' } = request.headers
  host.requests.push({ path, range, agent })
  const file = join(host.tree, path)
  const sizeBytes = statSync(file, { throwIfNoEntry: false })?.size
  if (sizeBytes === undefined || (host.face === 'lacking' && path.startsWith('/blobs/'))) {
    response.writeHead(404).end()
    return
  }
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? []
  const first = Number(from ?? 0)
  const last = to ? Number(to) : sizeBytes - 1
  const length = last - first + 1
  const headers = { 'content-length': length, 'accept-ranges': 'bytes' }
  if (from === undefined) response.writeHead(200, headers)
  else response.writeHead(206, { ...headers, 'content-range': `bytes ${first}-${last}/${sizeBytes}` })
  if (request.method === 'HEAD') {
    response.end()
    return
  }
  const isBroken = host.face === 'half' && length > probeBytes
  const body = createReadStream(file, { start: first, end: isBroken ? first + Math.floor(length / 2) : last })
  body.pipe(response, { end: !isBroken })
  if (isBroken) body.on('end', () => response.socket?.destroySoon())
}
