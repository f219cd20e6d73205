// A certificate is renewed by replacing its files: listeners take it up within seconds, on a second listener, while the first drains.

import { stat } from 'node:fs/promises'
import type { Logger } from 'pino'
import type { TlsFiles } from '#http/listener.ts'
import type { Role } from './role.ts'
import { every } from './worker.ts'

const lookEveryMs = 5000

export function watchCertificate(tls: TlsFiles | undefined, roles: readonly Role[], log: Logger): Disposable {
  if (!tls) return { [Symbol.dispose]: () => undefined }
  const listeners = roles.flatMap((role) => Object.entries(role.listeners))
  let known: string | undefined
  const look = async () => {
    const stamp = (await Promise.all([tls.cert, tls.key].map(async (path) => (await stat(path)).mtimeMs))).join(' ')
    if (known === undefined || stamp === known) {
      known = stamp
      return
    }
    known = stamp
    for (const [name, listener] of listeners) {
      // Not awaited: it ends when the last old connection does.
      listener.replaceCertificate(tls).catch((error) => {
        log.error({ err: error, listener: name }, 'the new certificate was not taken; the old one stays')
      })
    }
    log.info('the certificate files changed: listeners take them up')
  }
  const timer = every(lookEveryMs, log, look)
  // Missing now, it is looked for again with the next look.
  look().catch((error) => log.error({ err: error }, 'the certificate files cannot be looked at'))
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
