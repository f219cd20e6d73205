// token: robots for build systems, mirror admins' programs and release bots.

import { Command } from 'commander'
import { ago, print, table } from './print.ts'
import type { Connect } from './release-commands.ts'
import { wholeNumber } from './whole-number.ts'

type Token = {
  readonly name: string
  readonly grants: readonly string[]
  readonly createdAt: string
  readonly expiresAt?: string
  readonly revokedAt?: string
}

const collect = (value: string, before: string[]) => [...before, value]

function describeMade({ name, secret }: Token & { secret: string }, host: string | undefined): string {
  const said = `user name  ${name}\nsecret     ${secret}\n\nIt is not shown again. `
  return host === undefined
    ? `${said}Log in by: docker login -u ${name} --password-stdin <registry>\n`
    : `${said}On that machine:\nFLOTILLA_TOKEN=${name}@${secret} flotilla check-in --host ${host} --tree <folder>\n`
}

export function tokenCommand(connect: Connect): Command {
  const token = new Command('token').description('robot tokens: scoped, expiring, kept as hashes only')
  token
    .command('create')
    .description('make a token; its secret is shown this once')
    .argument('[name]', 'also the user name for docker login; default: that of the --host')
    .option(
      '--grant <grant>',
      'repository:<pattern>:<pull,push,delete>, api:<read,promote,publish,hosts,check-in,tokens> or api:check-in:<host>; may be repeated',
      collect,
      [],
    )
    .option(
      '--host <host>',
      'to check in for this host and sign its trace, nothing else (the grant api:check-in:<host>)',
    )
    .option('--days <n>', 'how long it is good for; default: until revoked', wholeNumber)
    .action(async (named: string | undefined, { grant, host, days }, command: Command) => {
      const name = named ?? host
      const grants: string[] = host === undefined ? grant : [...grant, `api:check-in:${host}`]
      if (name === undefined) command.error("error: missing required argument 'name'")
      if (grants.length === 0) command.error("error: required option '--grant <grant>' (or --host) not specified")
      const { client, output } = connect()
      const made = await client.post<Token & { secret: string }>('/api/v1/tokens', {
        name,
        grants,
        ...(days === undefined ? {} : { lifetimeDays: days }),
      })
      print(output, made, () => describeMade(made, host))
    })
  token
    .command('list')
    .description('all tokens')
    .action(async () => {
      const { client, output } = connect()
      const { tokens } = await client.get<{ tokens: Token[] }>('/api/v1/tokens')
      const state = (one: Token) =>
        one.revokedAt ? 'revoked' : one.expiresAt && Date.parse(one.expiresAt) < Date.now() ? 'expired' : 'live'
      print(output, tokens, () =>
        table(
          ['NAME', 'STATE', 'GRANTS', 'MADE', 'EXPIRES'],
          tokens.map((one) => [
            one.name,
            state(one),
            one.grants.join(' '),
            ago(one.createdAt, Date.now()),
            one.expiresAt ?? 'never',
          ]),
          'There are no tokens.',
        ),
      )
    })
  token
    .command('revoke')
    .description('make a token worthless, at once')
    .argument('<name>')
    .action(async (name: string) => {
      const { client, output } = connect()
      await client.delete(`/api/v1/tokens/${encodeURIComponent(name)}`)
      print(output, { name, revoked: true }, () => `${name} opens nothing any more.\n`)
    })
  token
    .command('rotate-keys')
    .description('sign registry tokens with a new key; running pushes go on with theirs')
    .action(async () => {
      const { client, output } = connect()
      const made = await client.post<{ kid: string }>('/api/v1/token-keys/rotations')
      print(
        output,
        made,
        () => `Key ${made.kid} signs from now on; the one before is accepted until the next rotation.\n`,
      )
    })
  return token
}
