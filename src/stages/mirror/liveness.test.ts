import { expect, test } from 'bun:test'
import type { OutboundTrouble } from '#http/outbound/outbound-error.ts'
import { type Liveness, stepLiveness } from './liveness.ts'
import type { Sample, SampleVerdict } from './sample-blob.ts'

const sample = (verdict: SampleVerdict, trouble?: OutboundTrouble): Sample => ({
  verdict,
  trouble,
  fault: verdict === 'good' ? undefined : { url: 'http://h/x', expected: '206', came: `${verdict} ${trouble ?? ''}` },
  roundTripMs: 7,
  family: 4,
})

const good = sample('good')
const slow = sample('unknown', 'timeout')
const refused = sample('unknown', 'refused')

test('when it failed last outlives what came after', () => {
  const states: Liveness[] = []
  for (const [i, one] of [good, slow, good, good].entries()) states.push(stepLiveness(states.at(-1), one, i))
  expect(states.map(({ failedAtMs }) => failedAtMs)).toEqual([undefined, 1, 1, 1])
})

test.each<[string, Sample[], boolean[]]>([
  ['the first look decides alone', [good], [true]],
  ['also when it fails', [slow], [false]],
  ['one failure is a hiccup', [good, slow, good], [true, true, true]],
  ['two in a row take it down', [good, slow, slow], [true, true, false]],
  ['a success between them begins anew', [good, slow, good, slow, good], [true, true, true, true, true]],
  ['two successes bring it back', [good, slow, slow, good, good], [true, true, false, false, true]],
  ['one of them does not', [good, slow, slow, good, slow, good], [true, true, false, false, false, false]],
  ['nothing listens: at once', [good, refused], [true, false]],
  ['a bad certificate: at once', [good, sample('unknown', 'tls')], [true, false]],
  ['wrong bytes: at once', [good, sample('wrong')], [true, false]],
  ['no Range: at once', [good, sample('unsuitable')], [true, false]],
  ['a missing blob may be one lost', [good, sample('lacking'), sample('lacking')], [true, true, false]],
])('%s', (_, samples, expected) => {
  let state: Liveness | undefined
  const alive = samples.map((one, i) => {
    state = stepLiveness(state, one, i)
    expect(state.reason === undefined).toBe(state.isAlive)
    return state.isAlive
  })
  expect(alive).toEqual(expected)
  expect(state!.checkedAtMs).toBe(samples.length - 1)
})

test('a dead host keeps telling why until it is back', () => {
  const states: Liveness[] = []
  for (const one of [refused, good, good]) states.push(stepLiveness(states.at(-1), one, 0))
  expect(states.map(({ reason }) => reason)).toEqual([
    'http://h/x: unknown refused',
    'http://h/x: unknown refused',
    undefined,
  ])
})
