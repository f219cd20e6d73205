// kit/front-listener.ts as a process of its own, for those who want to break it. Prints where it listens and which host it knows, then
// whatever it logs. Argument: limits of the listener as JSON. 127.0.0.1 is a trusted proxy that may send PROXY headers.

import { openFrontListener } from './front-listener.ts'

const front = await openFrontListener({
  isTrustedProxy: (peer) => peer === '127.0.0.1',
  proxyProtocol: 'optional',
  limits: JSON.parse(process.argv[2] ?? '{}'),
  log: (error) => console.log(`LOGGED ${(error as Error).message}`),
})
console.log(JSON.stringify({ port: front.listener.port, hostUrl: front.host.url }))
process.on('SIGTERM', () => void front[Symbol.asyncDispose]().then(() => process.exit(0)))
