// The wire of the replica gate: a blob's answer in, the same answer, one that is watched, a redirect or a refusal out.

import { type Answer, type Ask, refuse } from '#http/answer.ts'
import { isStored } from '#http/listener.ts'
import { blobPath, type Digest } from '#oci/digest.ts'
import type { Askers } from './asker.ts'
import type { OriginCounters } from './origin-counters.ts'
import type { ReplicaGate } from './replica-gate.ts'
import { watchedBody } from './watched-body.ts'

/** A 200 or 206 to a GET that is about to be sent. */
export type BlobAnswer = {
  readonly ask: Ask
  /** undefined: the one that is served at `/`. */
  readonly channel: string | undefined
  readonly digest: Digest
  readonly sizeBytes: number
  readonly answer: Answer
}

export type AdmitBlob = (about: BlobAnswer) => Answer

export type AdmitParts = {
  readonly askers: Askers
  readonly gateOf: (channel: string | undefined) => ReplicaGate
  readonly counters: OriginCounters
}

export function blobAdmission({ askers, gateOf, counters }: AdmitParts): AdmitBlob {
  return ({ ask, channel, digest, sizeBytes, answer }) => {
    const { body } = answer
    if (body === undefined || !isStored(body)) return answer
    const askedBytes = body.sizeBytes
    const replica = askers.read(ask, { digest, share: sizeBytes === 0 ? 0 : askedBytes / sizeBytes })
    if (replica === 'user') {
      counters.userBlobs++
      return answer
    }
    const verdict = gateOf(channel).decide({ replica, digest, sizeBytes, askedBytes })
    if (verdict.kind === 'send') return { ...answer, body: watchedBody(body, verdict.stream) }
    // The body opens no file before it is read: there is nothing to close.
    if (verdict.kind === 'wait') return askAgain(verdict.seconds, verdict.why)
    const { host, url } = verdict.host
    const location = `${url}/${blobPath(digest)}`
    return { status: 307, headers: { location, 'cache-control': 'no-store', 'flotilla-host': host.name } }
  }
}

/** Not a failure: whoever copies the tree waits for so long and asks again. */
export function askAgain(seconds: number, why: string): Answer {
  return refuse('UNAVAILABLE', why, { headers: { 'retry-after': String(seconds), 'cache-control': 'no-store' } })
}
