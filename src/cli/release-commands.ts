// candidate, promote, rollback, publish, generation: a release engineer's day.

import { Command } from 'commander'
import type { ApiClient } from '#api/client.ts'
import { byteText } from '#kit/byte-text.ts'
import { ago, type Output, print, shortDigest, table } from './print.ts'
import { wholeNumber } from './whole-number.ts'

export type Connect = () => { readonly client: ApiClient; readonly output: Output }

type ActResult = {
  readonly id: string
  readonly channel: string
  readonly isDryRun: boolean
  readonly repositories: readonly {
    readonly repository: string
    readonly version: number
    readonly manifestsAdded: number
    readonly tags: readonly { readonly tag: string; readonly from: string | null; readonly to: string | null }[]
  }[]
  readonly publication?: string
}

type Generation = {
  readonly channel: string
  readonly generation: number
  readonly state: string
  readonly createdAt: string
  readonly publishedAt?: string
  readonly actor: string
  readonly reason?: string
  readonly repositoriesChanged?: number
  readonly blobsAdded?: number
  readonly bytesAdded?: number
}

const keyHeader = (key: string | undefined): Record<string, string> =>
  key === undefined ? {} : { 'idempotency-key': key }
const collect = (value: string, before: string[]) => [...before, value]

export function releaseCommands(connect: Connect): Command[] {
  return [
    candidateCommand(connect),
    promoteCommand(connect),
    rollbackCommand(connect),
    publishCommand(connect),
    generationCommand(connect),
  ]
}

function candidateCommand(connect: Connect): Command {
  const candidate = new Command('candidate').description('what the builders pushed')
  candidate
    .command('list')
    .description('candidates, newest first')
    .option('--repository <name>', 'of this repository only')
    .option('--limit <n>', 'at most so many', wholeNumber, 100)
    .action(async ({ repository, limit }) => {
      const { client, output } = connect()
      type Row = { repository: string; tag: string; digest: string; pushedAt: string }
      const { candidates } = await client.get<{ candidates: Row[] }>('/api/v1/candidates', { repository, limit })
      print(output, candidates, () =>
        table(
          ['REPOSITORY', 'TAG', 'DIGEST', 'PUSHED'],
          candidates.map((row) => [row.repository, row.tag, shortDigest(row.digest), ago(row.pushedAt, Date.now())]),
          'There are no candidates: push an image to the registry first.',
        ),
      )
    })
  candidate
    .command('show')
    .description('images, layers, labels and referrers of one candidate')
    .argument('<ref>', 'name, name:tag or name@digest')
    .action(async (ref: string) => {
      const { client, output } = connect()
      type Layer = { digest: string; sizeBytes: number; isForeign: boolean }
      type Detail = {
        repository: string
        digest: string
        mediaType: string
        images: {
          digest: string
          platform?: string
          createdAt?: string
          labels: Record<string, string>
          layers: Layer[]
        }[]
        referrers: { digest: string; artifactType?: string }[]
      }
      const detail = await client.get<Detail>('/api/v1/candidate', { ref })
      print(output, detail, () => {
        const head = `${detail.repository}@${detail.digest}\n${detail.mediaType}\n`
        const images = detail.images.map((image) => {
          const total = image.layers.reduce((sum, layer) => sum + layer.sizeBytes, 0)
          const labels = table(['LABEL', 'VALUE'], Object.entries(image.labels), '  no labels')
          return `\n${image.platform ?? 'no platform'}  ${shortDigest(image.digest)}  ${image.layers.length} layers, ${byteText(total)}\n${labels}`
        })
        const referrers = detail.referrers.map(
          (one) => `\nreferrer ${shortDigest(one.digest)}  ${one.artifactType ?? '-'}`,
        )
        return `${head}${images.join('')}${referrers.join('')}\n`
      })
    })
  return candidate
}

function promoteCommand(connect: Connect): Command {
  return new Command('promote')
    .description('move images, with all that belongs to them, to a channel: all of them or none')
    .argument('<ref...>', 'name, name:tag or name@digest')
    .requiredOption('--to <channel>', 'where to')
    .option('--from <channel>', 'where from; default: where pushes land')
    .option('--tag <tag>', 'set this tag instead of the one named; may be repeated', collect, [])
    .option('--reason <text>', 'why, for the log')
    .option('--dry-run', 'tell what would happen and do nothing')
    .option('--idempotency-key <key>', 'the same key with the same request is done once')
    .action(async (references: string[], { to, from, tag, reason, dryRun, idempotencyKey }) => {
      const { client, output } = connect()
      const body = { references, to, from, reason, dryRun, ...(tag.length > 0 ? { tags: tag } : {}) }
      const result = await client.post<ActResult>('/api/v1/promotions', body, keyHeader(idempotencyKey))
      print(output, result, () => describeAct(result))
    })
}

function rollbackCommand(connect: Connect): Command {
  return new Command('rollback')
    .description('put a repository, or with --generation a whole channel, back as it was')
    .argument('[repository]')
    .option('--channel <channel>', 'default: the one that the front door serves')
    .option('--version <n>', 'to this version of the repository; default: the one before', wholeNumber)
    .option('--generation <n>', 'every repository as of this generation', wholeNumber)
    .option('--reason <text>', 'why, for the log')
    .option('--dry-run', 'tell what would happen and do nothing')
    .option('--idempotency-key <key>', 'the same key with the same request is done once')
    .action(
      async (
        repository: string | undefined,
        { channel, version, generation, reason, dryRun, idempotencyKey },
        command: Command,
      ) => {
        if ((repository === undefined) === (generation === undefined))
          command.error('error: name either a repository or a --generation')
        const { client, output } = connect()
        const result = await client.post<ActResult>(
          '/api/v1/rollbacks',
          {
            repository,
            channel,
            version,
            generation,
            reason,
            dryRun,
          },
          keyHeader(idempotencyKey),
        )
        const job = result.publication === undefined ? undefined : await client.waitForJob(result.publication)
        const published = job?.result as { generation: number } | undefined
        print(output, result, () =>
          describeAct(result, published && `Done, and published as generation ${published.generation}.`),
        )
      },
    )
}

function describeAct(result: ActResult, isPublished?: string): string {
  const lines = result.repositories.flatMap((one) => [
    `${one.repository}  version ${one.version} of ${result.channel}, ${one.manifestsAdded} manifests new there`,
    ...one.tags.map(
      ({ tag, from, to }) => `  ${tag}  ${shortDigest(from)} -> ${to === null ? 'gone' : shortDigest(to)}`,
    ),
  ])
  const isChange = result.repositories.some((one) => one.tags.length > 0 || one.manifestsAdded > 0)
  const end = result.isDryRun
    ? 'Nothing was done: this was a dry run.'
    : !isChange
      ? 'Nothing changed: the channel stood there already.'
      : result.publication === undefined
        ? 'Done.'
        : (isPublished ?? 'Done; it is published with what else comes soon, or at once by: flotilla publish --now')
  return `${lines.join('\n')}\n${end}\n`
}

function publishCommand(connect: Connect): Command {
  return new Command('publish')
    .description('publish a public channel at once')
    .option('--channel <channel>', 'default: the one that the front door serves')
    .option('--now', 'at once, which is what this command always does')
    .option('--reason <text>', 'why, for the log')
    .action(async ({ channel, reason }) => {
      const { client, output } = connect()
      const { id } = await client.post<{ id: string }>('/api/v1/publications', { channel, reason })
      const isTerminal = process.stderr.isTTY && !output.isJson
      const job = await client.waitForJob(id, ({ progress }) => {
        if (isTerminal && progress)
          process.stderr.write(`\r${progress.what} ${progress.done} of ${progress.total}\u001b[K`)
      })
      if (isTerminal) process.stderr.write('\r\u001b[K')
      const result = job.result as { channel: string; generation: number; isNew: boolean }
      print(output, result, () =>
        result.isNew
          ? `Generation ${result.generation} of ${result.channel} is published.\n`
          : `Nothing to publish: generation ${result.generation} of ${result.channel} holds everything.\n`,
      )
    })
}

function generationCommand(connect: Connect): Command {
  const generation = new Command('generation').description('publications of a channel')
  generation
    .command('list')
    .description('generations, newest first')
    .option('--channel <channel>', 'default: the one that the front door serves')
    .option('--limit <n>', 'at most so many', wholeNumber, 50)
    .action(async ({ channel, limit }) => {
      const { client, output } = connect()
      const { generations } = await client.get<{ generations: Generation[] }>('/api/v1/generations', { channel, limit })
      print(output, generations, () =>
        table(
          ['GENERATION', 'STATE', 'PUBLISHED', 'REPOSITORIES', 'NEW BLOBS', 'NEW BYTES', 'BY'],
          generations.map((one) => [
            one.generation,
            one.state,
            one.publishedAt === undefined ? '-' : ago(one.publishedAt, Date.now()),
            one.repositoriesChanged,
            one.blobsAdded,
            one.bytesAdded === undefined ? undefined : byteText(one.bytesAdded),
            one.actor,
          ]),
          'Nothing was published yet.',
        ),
      )
    })
  generation
    .command('show')
    .argument('<generation>', 'its number', wholeNumber)
    .description('one generation')
    .option('--channel <channel>', 'default: the one that the front door serves')
    .action(async (number: number, { channel }) => {
      const { client, output } = connect()
      const one = await client.get<Generation>(`/api/v1/generations/${number}`, { channel })
      print(output, one, () => table(['FIELD', 'VALUE'], Object.entries(one), ''))
    })
  return generation
}
