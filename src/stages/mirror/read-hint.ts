// The generation that a host says it has finished. Only a hint where to look: a host that says too much is found out by the
// samples, one that says too little is asked less.

import { readAll } from '#http/outbound/body-stream.ts'
import type { OutboundClient } from '#http/outbound/outbound-client.ts'
import { OutboundError } from '#http/outbound/outbound-error.ts'
import { peekTimestamp, timestampPath } from '#snapshots/tree-contents.ts'
import type { ProbeLimits } from './sample-blob.ts'

const maxTimestampBytes = 16 * 1024

/** Undefined when it says nothing readable; throws OutboundError when the host cannot be asked at all. */
export async function readHint(
  client: Pick<OutboundClient, 'send'>,
  base: string,
  limits: ProbeLimits,
): Promise<number | undefined> {
  try {
    const answer = await client.send({ url: `${base}/${timestampPath}`, ...limits, maxBodyBytes: maxTimestampBytes })
    const bytes = await readAll(answer.body)
    return answer.status === 200 ? peekTimestamp(bytes)?.generation : undefined
  } catch (error) {
    if (error instanceof OutboundError && error.kind !== 'too-large') throw error
    return undefined
  }
}
