import { expect, test } from 'bun:test'
import { batchesOf } from './batches.ts'

test.each<[string, number[], number[][]]>([
  ['nothing', [], []],
  ['less than one', [1], [[1]]],
  ['exactly one', [1, 2], [[1, 2]]],
  ['one and a rest', [1, 2, 3], [[1, 2], [3]]],
])('%s in parts of two', (_, list, parts) => expect([...batchesOf(list, 2)]).toEqual(parts))
