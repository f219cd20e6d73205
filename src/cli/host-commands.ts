// site, host: for the operator and the admins of hosts.

import { Command } from 'commander'
import { decimalNumber } from './decimal-number.ts'
import { describeHost, type Host, holds, stateOf } from './describe-host.ts'
import { print, table } from './print.ts'
import type { Connect } from './release-commands.ts'
import { wholeNumber, wholeNumbers } from './whole-number.ts'

const collect = (value: string, before: string[]) => [...before, value]
const pathOf = (name: string) => `/api/v1/hosts/${encodeURIComponent(name)}`

export function hostCommands(connect: Connect): Command[] {
  return [siteCommand(connect), hostCommand(connect)]
}

function siteCommand(connect: Connect): Command {
  const site = new Command('site').description('organisations that run hosts')
  site
    .command('add')
    .argument('<name>')
    .description('add an organisation')
    .option('--url <url>', 'its page')
    .option('--contact <text>', 'whom to write to')
    .option('--private', 'its hosts serve only their own networks')
    .action(async (name: string, { url, contact, private: isPrivate }) => {
      const { client, output } = connect()
      const made = await client.post('/api/v1/sites', { name, organisationUrl: url, contact, isPrivate })
      print(output, made, () => `Site ${name} is there.\n`)
    })
  site
    .command('list')
    .description('all organisations')
    .action(async () => {
      const { client, output } = connect()
      type Site = { name: string; organisationUrl?: string; isPrivate: boolean; contact?: string }
      const { sites } = await client.get<{ sites: Site[] }>('/api/v1/sites')
      print(output, sites, () =>
        table(
          ['SITE', 'URL', 'PRIVATE', 'CONTACT'],
          sites.map((one) => [one.name, one.organisationUrl, one.isPrivate ? 'yes' : 'no', one.contact]),
          'There are no sites.',
        ),
      )
    })
  return site
}

function hostCommand(connect: Connect): Command {
  const host = new Command('host').description('servers that carry a copy of the tree')
  host
    .command('add')
    .argument('<name>', 'like a DNS name')
    .description('add a host; it is crawled at once and used for what it is proven to hold')
    .requiredOption('--url <url>', 'address of its copy; may be repeated, preferred first', collect, [])
    .option('--site <site>', 'who runs it; made when it is not there')
    .option('--country <code>', 'ISO 3166-1, two letters')
    .option(
      '--latitude <degrees>',
      'where it stands, north positive; default: the middle of its country',
      decimalNumber,
    )
    .option('--longitude <degrees>', 'east positive', decimalNumber)
    .option('--bandwidth <mbps>', 'in Mbit/s', wholeNumber, 100)
    .option('--grade <grade>', 'gold, proven or probation', 'probation')
    .option('--netblock <cidr>', 'a network that it serves first; may be repeated', collect, [])
    .option('--asn <n>', 'its autonomous system', wholeNumber)
    .option('--peer-asn <n>', 'may be repeated', wholeNumbers, [])
    .option('--allowed-country <code>', 'serves only these; may be repeated', collect, [])
    .option('--private', 'serves only its own netblocks')
    .option('--no-ticket', 'redirects carry no query (CDNs, presigned buckets)')
    .option('--contact <text>', 'whom to write to')
    .action(async (name: string, flags) => {
      const { client, output } = connect()
      const made = await client.post<Host>('/api/v1/hosts', {
        name,
        urls: flags.url,
        site: flags.site,
        country: flags.country,
        latitude: flags.latitude,
        longitude: flags.longitude,
        bandwidthMbps: flags.bandwidth,
        grade: flags.grade,
        netblocks: flags.netblock,
        asn: flags.asn,
        peerAsns: flags.peerAsn,
        allowedCountries: flags.allowedCountry,
        isPrivate: flags.private ?? false,
        ticket: flags.ticket ? 'query' : 'none',
        contact: flags.contact,
      })
      print(
        output,
        made,
        () =>
          `Host ${name} is there and is being crawled; see: flotilla host show ${name}\nA token by which it checks in: flotilla token create --host ${name}\n`,
      )
    })
  host
    .command('list')
    .description('all hosts, and whether each is used')
    .action(async () => {
      const { client, output } = connect()
      const { hosts } = await client.get<{ hosts: Host[] }>('/api/v1/hosts')
      print(output, hosts, () =>
        table(
          ['HOST', 'SITE', 'COUNTRY', 'MBIT/S', 'GRADE', 'HOLDS', 'STATE'],
          hosts.map((one) => [one.name, one.site, one.country, one.bandwidthMbps, one.grade, holds(one), stateOf(one)]),
          'There are no hosts.',
        ),
      )
    })
  host
    .command('show')
    .argument('<host>', 'name or number')
    .description('one host with the evidence about it')
    .action(async (name: string) => {
      const { client, output } = connect()
      const one = await client.get<Host>(pathOf(name))
      print(output, one, () => describeHost(one))
    })
  host
    .command('check')
    .argument('<host>', 'name or number')
    .description('crawl a host now and wait for the outcome')
    .action(async (name: string) => {
      const { client, output } = connect()
      const { id } = await client.post<{ id: string }>(`${pathOf(name)}/check`)
      await client.waitForJob(id)
      const one = await client.get<Host>(pathOf(name))
      print(output, one, () => describeHost(one))
    })
  for (const [verb, isOn] of [
    ['enable', true],
    ['disable', false],
  ] as const) {
    host
      .command(verb)
      .argument('<host>', 'name or number')
      .description(isOn ? 'let it serve again' : 'send nobody there')
      .option('--reason <text>', 'why; shown with the host, on the status page too')
      .action(async (name: string, { reason }) => {
        const { client, output } = connect()
        const one = await client.patch<Host>(pathOf(name), {
          isAdminActive: isOn,
          ...(reason === undefined ? {} : { disableReason: reason }),
        })
        print(output, one, () => `Host ${one.name} is ${isOn ? 'on' : 'off'}.\n`)
      })
  }
  return host
}
