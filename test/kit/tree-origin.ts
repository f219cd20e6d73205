// The real origin over a folder, with a record of what it was asked, and a valve to misbehave with.

import type { Answer, Ask } from '#http/answer.ts'
import type { Listener } from '#http/listener.ts'
import { listen } from '#http/serve-bun.ts'
import { answerTree } from '#stages/pull/answer-tree.ts'

export type TreeOrigin = {
  readonly url: string
  readonly listener: Listener
  /** `GET /path [range]` of every request since the last `forget`. */
  readonly asked: string[]
  readonly statuses: number[]
  /** Answers instead of the origin when it gives something. */
  interfere: (ask: Ask) => Answer | undefined | Promise<Answer | undefined>
  forget(): void
}

export function startTreeOrigin(folder: string): TreeOrigin {
  const handler = answerTree({ folder, channelFolders: new Map() })
  const asked: string[] = []
  const statuses: number[] = []
  const listener = listen(
    async (ask) => {
      const range = ask.header('range')
      asked.push(`${ask.method} ${ask.path}${range === undefined ? '' : ` ${range}`}`)
      const answer = (await origin.interfere(ask)) ?? (await handler(ask))
      statuses.push(answer.status)
      return answer
    },
    { host: '127.0.0.1', port: 0, stallMs: 10_000, log: console.error },
  )
  const origin: TreeOrigin = {
    url: `http://127.0.0.1:${listener.port}`,
    listener,
    asked,
    statuses,
    interfere: () => undefined,
    forget() {
      asked.length = 0
      statuses.length = 0
    },
  }
  return origin
}
