// What counting costs: nanoseconds for the notes of one redirect and of one manifest by tag, and what the hand-over of ten seconds
// takes. `npm run bench -- statistics`

import { Statistics, statisticsDefaults } from '#stages/redirect/statistics.ts'

const countries = Array.from({ length: 240 }, (_, i) => String.fromCharCode(65 + (i % 26), 65 + Math.floor(i / 26)))
const repositories = Array.from({ length: 1000 }, (_, i) => `group/image-${i}`)
const tags = Array.from({ length: 20 }, (_, i) => `v${i}`)
const hosts = Array.from({ length: 1000 }, (_, i) => `host${i}.example.net`)
const calls = 1_000_000
const rounds = 5

/** The last bits of a multiplied counter are not random enough to choose by; these are. */
const draw = (i: number, n: number) => (Math.imul(i, 2654435761) >>> 8) % n

/** The best of some rounds: others are at work on the machine. */
function nanoseconds(call: (i: number) => void): number {
  const samples: number[] = []
  for (let round = 0; round < rounds; round++) {
    const startedAt = performance.now()
    for (let i = 0; i < calls; i++) call(i)
    samples.push(((performance.now() - startedAt) * 1_000_000) / calls)
  }
  return Math.min(...samples)
}

const statistics = new Statistics(statisticsDefaults)
let sink = 0
const drawing = nanoseconds((i) => {
  sink += countries[draw(i, 240)]!.length + repositories[draw(i, 1000)]!.length + hosts[draw(i * 7, 1000)]!.length
})
const redirect = nanoseconds((i) => {
  const bytes = 1_000_000 + i
  statistics.note('redirected', countries[draw(i, 240)], repositories[draw(i, 1000)], bytes)
  statistics.noteHost(hosts[draw(i * 7, 1000)]!, bytes)
})
const manifest = nanoseconds((i) => {
  const repository = repositories[draw(i, 100)]!
  statistics.note('manifest', countries[draw(i, 240)], repository, 2000)
  statistics.noteTag('manifest', repository, tags[draw(i * 7, 20)]!, 2000)
})
const startedAt = performance.now()
const rows = statistics.take()
const handOver = performance.now() - startedAt
console.log(`drawing alone ${drawing.toFixed(0)} ns, of which ${sink > 0 ? 'all' : 'none'} is taken off below`)
console.log(
  `notes of a redirect ${(redirect - drawing).toFixed(0)} ns, of a manifest by tag ${(manifest - drawing).toFixed(0)} ns`,
)
console.log(`hand-over of ${rows.length} rows ${handOver.toFixed(1)} ms`)
