// A front door as a process of its own, for those who want to break it: real publication, real host, its own listener. Prints where it
// listens and which host it knows, then whatever it logs. Argument: limits of the listener as JSON.

import { openFrontListener } from './front-listener.ts'

export type HostileTarget = { readonly port: number; readonly hostUrl: string }

const limits = JSON.parse(process.argv[2] ?? '{}')
const front = await openFrontListener({
  isTrustedProxy: (peer) => peer === '127.0.0.1',
  proxyProtocol: 'optional',
  limits,
  log: (error) => console.log(`LOGGED ${(error as Error).message}`),
})
console.log(JSON.stringify({ port: front.listener.port, hostUrl: front.host.url } satisfies HostileTarget))
process.on('SIGTERM', () => void front[Symbol.asyncDispose]().then(() => process.exit(0)))
