// A certificate is renewed by replacing its files: listeners take it up within seconds, on a second listener, while the first drains.

import { stat } from 'node:fs/promises'
import type { Logger } from 'pino'
import type { TlsFiles } from '#http/listener.ts'
import type { Role } from './role.ts'

const lookEveryMs = 5000

export function watchCertificate(tls: TlsFiles | undefined, roles: readonly Role[], log: Logger): AsyncDisposable {
  if (!tls) return { async [Symbol.asyncDispose]() {} }
  let known: string | undefined
  let running: Promise<void> = Promise.resolve()
  const look = async () => {
    const stamp = (await Promise.all([tls.cert, tls.key].map(async (path) => (await stat(path)).mtimeMs))).join(' ')
    if (known !== undefined && stamp !== known) {
      for (const role of roles)
        for (const listener of Object.values(role.listeners)) await listener.replaceCertificate(tls)
      log.info('the new certificate is in use')
    }
    known = stamp
  }
  const timer = setInterval(() => {
    running = running
      .then(look)
      .catch((error) => log.error({ err: error }, 'the new certificate was not taken; the old one stays'))
  }, lookEveryMs)
  running = look().catch(() => undefined)
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await running
    },
  }
}
