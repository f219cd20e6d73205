// What came of a run: in a line for people, in an exit code for cron, in JSON for machines.

import { byteText } from '#kit/byte-text.ts'
import { clean } from './print.ts'

export type ReplicateOutcome = {
  readonly outcome: 'unchanged' | 'refreshed' | 'updated'
  readonly channel: string
  readonly generation: number
  readonly files: number
  readonly bytes: number
  readonly damaged: number
  readonly checked?: { readonly readFiles: number; readonly isRoundDone: boolean }
  readonly deleted: number
  readonly strays: number
  readonly liars: readonly { readonly url: string; readonly path: string; readonly what: string }[]
  readonly warnings: readonly string[]
  readonly believed: string | undefined
  readonly partial: { readonly selection: string; readonly blobs: number; readonly bytes: number } | undefined
  readonly hookProblem?: string
  readonly checkInProblem?: string
}

const codes: Readonly<Record<string, number>> = {
  untrusted: 3,
  expired: 3,
  backwards: 3,
  mixed: 3,
  disk: 4,
  // EX_TEMPFAIL of sysexits.h: nothing is wrong, another time.
  busy: 75,
  window: 75,
}

/** 0 done, 1 failed, 3 not to be trusted, 4 no room, 75 not now. */
export function exitCodeOf(error: unknown): number {
  return codes[(error as { reason?: string }).reason ?? ''] ?? 1
}

/** The copy is complete; what was to follow may have failed all the same. */
export function exitCodeOfOutcome({ hookProblem }: ReplicateOutcome): number {
  return hookProblem === undefined ? 0 : 1
}

export function failureOf(error: unknown): { outcome: 'failed'; reason: string; message: string } {
  const { message, reason } = error as Error & { reason?: string }
  return { outcome: 'failed', reason: reason ?? 'unexpected', message }
}

export function describeOutcome(outcome: ReplicateOutcome): string {
  const { channel, generation, files, bytes, damaged, checked, deleted, strays, partial } = outcome
  const changes = [
    files > 0 && `${files} files with ${byteText(bytes)} fetched`,
    damaged > 0 && `${damaged} damaged ones replaced`,
    deleted > 0 && `${deleted} old ones deleted`,
    strays > 0 && `${strays} that no list names left alone (see --prune)`,
  ].filter((part) => part !== false)
  const fetched = changes.length > 0 ? changes.join(', ') : 'nothing to fetch'
  const read = checked ? `; ${checked.readFiles} files read again, ${checkedText(checked, damaged)}` : ''
  const said = `${fetched}${read}`
  const part = partial ? ` (${partial.selection}: ${partial.blobs} blobs with ${byteText(partial.bytes)})` : ''
  return `${channel} generation ${generation}${clean(part)}: ${said}.`
}

function checkedText({ isRoundDone }: NonNullable<ReplicateOutcome['checked']>, damaged: number): string {
  const found = damaged === 0 ? 'all as they should be' : 'all right now'
  return isRoundDone ? found : `${found}; the next --check goes on from there`
}

/** What a person should look at, also when they asked for quiet. */
export function notesOf({ believed, liars, warnings, hookProblem, checkInProblem }: ReplicateOutcome): string[] {
  const notes = [
    ...(believed ? [`the source was believed about its root, ${believed}: compare it with the operator's`] : []),
    ...liars.map(({ url, path, what }) => `${url} sent ${path} wrongly (${what}): tell its operator`),
    ...warnings,
    ...(hookProblem ? [hookProblem] : []),
    ...(checkInProblem ? [checkInProblem] : []),
  ]
  // They hold words of others.
  return notes.map(clean)
}
