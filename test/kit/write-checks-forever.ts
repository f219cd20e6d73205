// Adds block checks to a folder until it is killed: of blobs 0, 1, 2, … in files of uneven sizes, so that many are merged. Each line that
// it prints is a number of blobs that the document names. Arguments: the folder.

import { noCheckFiles } from '#snapshots/check-files.ts'
import { blockKey, openCheckFolder, recordOf } from './check-files.ts'

const folder = openCheckFolder(process.argv[2]!)
let state = await folder.load()
// Where the last run was cut off is told by the document itself.
let next = state.generation
if (next === 0) state = noCheckFiles('stable', blockKey.id)
for (let size = 1; ; size = (size * 7 + 3) % 211) {
  const records = Array.from({ length: size }, () => recordOf(next++))
  state = await folder.add({ ...state, generation: next, digest: 'x' }, records)
  console.log(next)
}
