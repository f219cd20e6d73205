// The access log as the options want it, and its new file when somebody has moved the old one away (SIGHUP or SIGUSR1).

import type { Logger } from 'pino'
import { ConfigError, type Settings } from '#config/load-config.ts'
import { commonLines, jsonLines } from '#http/access-log/format-line.ts'
import { LineWriter, lineWriterDefaults } from '#http/access-log/line-writer.ts'
import type { Handler } from '#http/listener.ts'
import type { FrontDoor } from '#stages/redirect/front-door.ts'
import { withAccessLog } from './with-access-log.ts'

export type AccessLog = AsyncDisposable & {
  around(handler: Handler, front: FrontDoor): Handler
  readonly dropped: number
}

const rotateSignals = ['SIGHUP', 'SIGUSR1'] as const

/** Whether front doors have to make the text of their decisions. */
export function tellsDecision({ accessLog, decisionHeader }: Settings): boolean {
  return accessLog > 0 || decisionHeader
}

/** Undefined: off. */
export async function openAccessLog(settings: Settings, log: Logger): Promise<AccessLog | undefined> {
  const { accessLog: every, accessLogFormat, accessLogAddresses, accessLogFile: path, decisionHeader } = settings
  if (every === 0) return undefined
  const onError = (error: unknown) => log.error({ err: error, path }, 'the access log cannot be written; lines wait')
  const writer = await LineWriter.open({ ...lineWriterDefaults, path, onError }).catch((error) => {
    throw new ConfigError(`access-log-file: ${path} cannot be opened for writing`, { cause: error })
  })
  const format = accessLogFormat === 'json' ? jsonLines(accessLogAddresses, every) : commonLines(accessLogAddresses)
  const reopen = () => writer.reopen()
  // On stdout there is nothing to reopen, and a terminal that hangs up ends the program as it should.
  const signals = path === undefined ? [] : rotateSignals
  for (const signal of signals) process.on(signal, reopen)
  return {
    around: (handler, front) =>
      withAccessLog(handler, {
        front,
        format,
        write: (line) => writer.write(line),
        every,
        random: Math.random,
        isDecisionShown: decisionHeader,
      }),
    get dropped() {
      return writer.dropped
    },
    async [Symbol.asyncDispose]() {
      for (const signal of signals) process.off(signal, reopen)
      await writer[Symbol.asyncDispose]()
    },
  }
}
