// A private certificate authority and a certificate for the loopback addresses, by openssl.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mustRun } from './process.ts'
import { getTool } from './tool.ts'

/** Paths of PEM files. `bundle` makes every client written in Go trust it, as SSL_CERT_FILE. */
export type Authority = { readonly bundle: string; readonly cert: string; readonly key: string }

const names = ['localhost', 'front.test', 'registry.test']
const addresses = ['127.0.0.1', '127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5', '::1']

export async function makeAuthority(folder: string): Promise<Authority> {
  mkdirSync(folder, { recursive: true })
  const at = (name: string) => join(folder, name)
  const openssl = (...args: string[]) => mustRun(getTool('openssl'), args)
  const subjects = [...names.map((name) => `DNS:${name}`), ...addresses.map((address) => `IP:${address}`)].join(',')
  writeFileSync(at('extensions'), `subjectAltName=${subjects}\nextendedKeyUsage=serverAuth\n`)
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const validity = ['-days', '30']
  const authority = ['-x509', ...newKey, '-keyout', at('ca.key'), '-out', at('ca.pem'), ...validity]
  await openssl('req', ...authority, '-subj', '/CN=Test authority', '-addext', 'keyUsage=critical,keyCertSign')
  await openssl('req', ...newKey, '-keyout', at('server.key'), '-out', at('server.csr'), '-subj', '/CN=localhost')
  const signing = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-extfile', at('extensions')]
  await openssl('x509', '-req', '-in', at('server.csr'), ...signing, '-out', at('server.pem'), ...validity)
  return { bundle: at('ca.pem'), cert: at('server.pem'), key: at('server.key') }
}
