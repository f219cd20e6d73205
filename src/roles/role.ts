import type { RoleName } from '#flow.ts'
import type { Listener } from '#http/listener.ts'

export type Role = {
  readonly name: RoleName
  /** Listeners by their names in the options, for the screen and for certificate changes. */
  readonly listeners: Readonly<Record<string, Listener>>
  /** Readiness as `/readyz` tells it: undefined when ready, else why not. */
  notReady(): string | undefined
  /** Drains: no new work, running work ends. */
  stop(): Promise<void>
}
