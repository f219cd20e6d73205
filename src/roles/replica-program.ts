// What the command line needs of replication: to run it, to keep it running, and to read what people type.

import { oneProxy, parseProxyUrl, readProxySettings } from '#http/outbound/proxy-settings.ts'
import { parseHostToken } from '#stages/replicate/check-in.ts'
import { parseTimeWindow } from '#stages/replicate/schedule.ts'
import { isPlatform } from '#stages/replicate/selection.ts'
import { keepReplica } from './keep-replica.ts'
import { type ReplicaControl, type ReplicaOutcome, type ReplicaSettings, runReplica, withClients } from './replicate.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** `proxy`: one for everything; else those of the environment. */
export type ProgramControl = Omit<ReplicaControl, 'environment' | 'proxy'> & { readonly proxy: string | undefined }

export type RunListener = {
  readonly onRunNow: (run: () => void) => () => void
  readonly onOutcome: (outcome: ReplicaOutcome) => void
  readonly onFailure: (error: unknown) => void
}

export function replicaProgram(software: string, environment: Environment) {
  const complete = (control: ProgramControl): ReplicaControl => ({
    ...control,
    environment,
    proxy: control.proxy === undefined ? readProxySettings(environment) : oneProxy(control.proxy),
  })
  return {
    run(settings: ReplicaSettings, given: ProgramControl): Promise<ReplicaOutcome> {
      const control = complete(given)
      return withClients(control, software, (clients) => runReplica(settings, control, { clients, software }))
    },
    keep(settings: ReplicaSettings, everyMs: number, given: ProgramControl, listener: RunListener): Promise<void> {
      const control = complete(given)
      return withClients(control, software, (clients) =>
        keepReplica(settings, everyMs, control, { clients, software, ...listener }),
      )
    },
    parseWindow: parseTimeWindow,
    isPlatform,
    parseProxy: parseProxyUrl,
    /** What is wrong with the text of a token file. */
    tokenProblem(text: string): string | undefined {
      const token = parseHostToken(text)
      return 'problem' in token ? token.problem : undefined
    },
  }
}
