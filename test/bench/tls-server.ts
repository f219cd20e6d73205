// A front door for the TLS bench. Arguments: port, and certificate and key, or nothing where a proxy ends TLS.

import { openFrontListener } from '../kit/front-listener.ts'

const [port, cert, key] = process.argv.slice(2)
await openFrontListener({
  port: Number(port),
  ...(cert && key ? { tls: { cert, key } } : { isTrustedProxy: () => true, proxyProtocol: 'on' as const }),
})
