// statistics: who was answered what.

import { Command, Option } from 'commander'
import { byteText } from '#kit/byte-text.ts'
import { print, table } from './print.ts'
import type { Connect } from './release-commands.ts'
import { wholeNumber } from './whole-number.ts'

type Row = { readonly start?: string; readonly subject: string } & Readonly<
  Record<
    | 'redirects'
    | 'redirectedBytes'
    | 'manifests'
    | 'packed'
    | 'packedBytes'
    | 'manifestBytes'
    | 'origin'
    | 'originBytes'
    | 'streams'
    | 'streamedBytes'
    | 'told'
    | 'refused'
    | 'held',
    number
  >
>
type Statistics = { readonly by: string; readonly from: string; readonly to: string; readonly rows: readonly Row[] }

export function statisticsCommand(connect: Connect): Command {
  return new Command('statistics')
    .description('requests and bytes by host, country, repository or tag')
    .addOption(
      new Option('--by <kind>', 'what a row is about')
        .choices(['host', 'country', 'repository', 'tag'])
        .default('country'),
    )
    .option('--from <time>', '2026-03-01 or 2026-03-01T12:00:00Z; default: a day before --to')
    .option('--to <time>', 'up to then; default: now')
    .addOption(new Option('--step <step>', 'a row for each').choices(['hour', 'day', 'month']))
    .option('--channel <channel>', 'default: the one that the front door serves')
    .option('--limit <n>', 'at most so many hosts, countries, repositories or tags', wholeNumber, 50)
    .option('--csv', 'as comma-separated values')
    .action(async ({ csv, ...query }) => {
      const { client, output } = connect()
      if (csv) {
        output.write(await client.getText('/api/v1/statistics', { ...query, format: 'csv' }))
        return
      }
      const statistics = await client.get<Statistics>('/api/v1/statistics', query)
      print(output, statistics, () => describe(statistics))
    })
}

function describe({ by, from, to, rows }: Statistics): string {
  const hasSteps = rows.some(({ start }) => start !== undefined)
  return table(
    [
      ...(hasSteps ? ['FROM'] : []),
      by.toUpperCase(),
      'TO HOSTS',
      'BYTES',
      'FROM HERE',
      'BYTES',
      'TOLD',
      'REFUSED',
      'HELD',
    ],
    rows.map((row) => [
      ...(hasSteps ? [row.start] : []),
      row.subject,
      row.redirects,
      byteText(row.redirectedBytes),
      row.manifests + row.packed + row.origin + row.streams,
      byteText(row.manifestBytes + row.packedBytes + row.originBytes + row.streamedBytes),
      row.told,
      row.refused,
      row.held,
    ]),
    `Nothing was counted from ${from} to ${to}.`,
  )
}
