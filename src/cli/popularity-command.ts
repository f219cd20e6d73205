// popularity: what is pulled most, as small copies will keep it.

import { Command } from 'commander'
import { byteText } from '#kit/byte-text.ts'
import { print, shortDigest, table } from './print.ts'
import type { Connect } from './release-commands.ts'
import { wholeNumber } from './whole-number.ts'

type Popularity = {
  readonly channel: string
  readonly blobs: readonly {
    readonly digest: string
    readonly sizeBytes: number
    readonly score: number
    readonly pulls: number
    readonly repositories: readonly string[]
  }[]
}

export function popularityCommand(connect: Connect): Command {
  return new Command('popularity')
    .description('the blobs that were pulled most, as copies with a cap keep them')
    .option('--channel <channel>', 'default: the one that the front door serves')
    .option('--limit <n>', 'at most so many', wholeNumber, 50)
    .action(async ({ channel, limit }) => {
      const { client, output } = connect()
      const popularity = await client.get<Popularity>('/api/v1/popularity', { channel, limit })
      print(output, popularity, () =>
        table(
          ['DIGEST', 'SIZE', 'SCORE', 'PULLS', 'IN'],
          popularity.blobs.map(({ digest, sizeBytes, score, pulls, repositories }) => [
            shortDigest(digest),
            byteText(sizeBytes),
            score,
            pulls,
            repositories.join(', '),
          ]),
          `Nothing of ${popularity.channel} was pulled yet.`,
        ),
      )
    })
}
