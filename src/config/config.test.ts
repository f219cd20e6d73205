import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkFiles, makeConfig } from './config.ts'
import { ConfigError, type ConfigSources, loadSettings } from './load-config.ts'
import { kinds } from './option-kinds.ts'
import { namesOf, type OptionName, type OptionRow, options } from './options.ts'
import { renderOptionsPage } from './options-page.ts'

const root = mkdtempSync(join(tmpdir(), 'config-'))
afterAll(() => rmSync(root, { recursive: true }))
let count = 0
function folderWith(toml?: string): string {
  const folder = mkdtempSync(join(root, `${++count}-`))
  if (toml !== undefined) writeFileSync(join(folder, 'flotilla.toml'), toml)
  return folder
}
const load = (given: Partial<ConfigSources>, toml?: string) =>
  loadSettings({ flags: {}, environment: {}, folder: folderWith(toml), ...given })
const configOf = (flags: ConfigSources['flags']) => makeConfig(load({ flags }).settings)
const rows = Object.entries(options) as [OptionName, OptionRow][]

describe('an option is taken from', () => {
  const flags = { publishDelay: '1s' }
  const environment = { FLOTILLA_PUBLISH_DELAY: '2s' }
  const toml = 'publish-delay = "3s"'
  test.each([
    ['the flag before all', { flags, environment }, toml, 1000],
    ['the environment before the file', { environment }, toml, 2000],
    ['the file before the default', {}, toml, 3000],
    ['the default at last', {}, undefined, 300_000],
    [
      'the file when the variable is empty, which is unset',
      { environment: { FLOTILLA_PUBLISH_DELAY: '' } },
      toml,
      3000,
    ],
  ])('%s', (_, given, file, expected) => {
    expect(load(given, file).settings.publishDelay).toBe(expected)
  })

  test('the environment before the flag where a script types the flag', () => {
    expect(load({ flags: { demo: 'true' }, environment: { FLOTILLA_DEMO: '0' } }).settings.demo).toBe(false)
  })

  test('the file that FLOTILLA_CONFIG names', () => {
    const elsewhere = join(folderWith('drain = "7s"'), 'flotilla.toml')
    expect(load({ environment: { FLOTILLA_CONFIG: elsewhere } }, 'drain = "1s"').settings.drain).toBe(7000)
  })

  test('the file in its own types', () => {
    const { settings } = load(
      {},
      'channels = ["a", "b", "c"]\nmax-page-size = 50\nsmall-blob-bytes = 4096\ndemo = true',
    )
    expect(settings).toMatchObject({ channels: ['a', 'b', 'c'], maxPageSize: 50, smallBlobBytes: 4096, demo: true })
  })
})

describe('a refusal names the place, the value and what it takes', () => {
  const wrong: Partial<Record<OptionRow['kind'], string>> = {
    text: '',
    path: '',
    count: '0',
    flag: 'maybe',
    bytes: '5 parsecs',
    duration: '10',
    lifetime: '0s',
    signer: 'command:',
    listen: '5000',
    channels: 'Stable',
    networks: '10.0.0.1/8',
    catalogue: 'mysql://x',
    level: 'loud',
    url: 'ftp://x',
    sampling: '1/0',
    logFormat: 'xml',
    addressDetail: 'half',
    proxyProtocol: 'v2',
  }

  test.each(rows.map(([name, row]) => [name, row] as const))('%s', (name, row) => {
    const text = wrong[row.kind]!
    expect(text).toBeDefined()
    const { flag, variable, key } = namesOf(name)
    const shown = row.isSecret ? 'the value' : JSON.stringify(text)
    const says = (where: string) => `${where}: ${shown} is not ${kinds[row.kind].takes}`
    const refusal = (work: () => unknown) => {
      try {
        work()
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError)
        return (error as Error).message
      }
      return 'taken'
    }
    expect(refusal(() => load({ flags: { [name]: text } }))).toBe(says(flag))
    if (text !== '') expect(refusal(() => load({ environment: { [variable]: text } }))).toBe(says(variable))
    const folder = folderWith(`${key} = ${JSON.stringify(text)}`)
    const place = `${key} in ${join(folder, 'flotilla.toml')}`
    expect(refusal(() => loadSettings({ flags: {}, environment: {}, folder }))).toBe(says(place))
  })

  test.each([
    ['a key that is no option', 'nonsense = 1', 'there is no option "nonsense"'],
    ['a table', '[drain]\na = 1', 'drain must be text, a number, true or false, or a list of texts'],
    ['a date', 'drain = 2026-01-01', 'drain must be text'],
    ['a list of numbers', 'channels = [1, 2]', 'channels must be text'],
    ['text that is not TOML', 'drain = ', 'cannot be read'],
  ])('of the file: %s', (_, toml, reason) => {
    expect(() => load({}, toml)).toThrow(reason)
    expect(() => load({}, toml)).toThrow('flotilla.toml')
  })

  test('a file that is named and not there', () => {
    expect(() => load({ environment: { FLOTILLA_CONFIG: '/nowhere/flotilla.toml' } })).toThrow(
      '/nowhere/flotilla.toml cannot be read',
    )
  })

  test('a secret is never repeated', () => {
    const secrets = rows.filter(([, row]) => row.isSecret).map(([name]) => name as string)
    expect(secrets.sort()).toEqual(['adminToken', 'token'])
  })
})

test('variables that nobody reads are told of, one by one', () => {
  const { warnings } = load({
    environment: { FLOTILLA_DRIAN: '1s', FLOTILLA_CONFIG: '', FLOTILLA_DRAIN: '1s', OTHER: 'x' },
  })
  expect(warnings).toEqual(['FLOTILLA_DRIAN is set, but there is no such option'])
})

describe('kinds', () => {
  const cases: readonly (readonly [keyof typeof kinds, string, unknown])[] = [
    ['bytes', '0', 0],
    ['bytes', '64KiB', 65_536],
    ['bytes', '4 m', 4 * 2 ** 20],
    ['bytes', '1T', 2 ** 40],
    ['bytes', '8191T', 8191 * 2 ** 40],
    ['bytes', '8192T', undefined],
    ['bytes', '-1', undefined],
    ['bytes', '1.5G', undefined],
    ['bytes', '1e3', undefined],
    ['duration', '250ms', 250],
    ['duration', '0s', 0],
    ['duration', '24d', 24 * 86_400_000],
    ['duration', '25d', undefined],
    ['duration', '1w', undefined],
    ['lifetime', '730d', 730 * 86_400_000],
    ['lifetime', '999ms', undefined],
    ['lifetime', '3651d', undefined],
    ['signer', 'command:/usr/bin/sign --hsm', 'command:/usr/bin/sign --hsm'],
    ['signer', 'unix:/run/flotilla/signer', 'unix:/run/flotilla/signer'],
    ['signer', 'unix:', undefined],
    ['signer', 'tcp:1', undefined],
    ['integer', '0', 0],
    ['integer', '-1', undefined],
    ['integer', '1.0', undefined],
    ['count', '1', 1],
    ['count', '01', undefined],
    ['flag', 'TRUE', true],
    ['flag', '0', false],
    ['flag', '', undefined],
    ['flag', 'constructor', undefined],
    ['listen', '[::1]:80', { host: '::1', port: 80 }],
    ['listen', 'localhost:0', { host: 'localhost', port: 0 }],
    ['listen', '::1:80', undefined],
    ['listen', '127.0.0.1:65536', undefined],
    ['listen', ':80', undefined],
    ['listen', '127.0.0.1:', undefined],
    ['channels', 'a, b-2', ['a', 'b-2']],
    ['channels', '', []],
    ['channels', 'a,a', undefined],
    ['channels', 'a-', undefined],
    ['channels', '../x', undefined],
    ['channels', 'a'.repeat(33), undefined],
    ['networks', '10.0.0.0/8, ::1', ['10.0.0.0/8', '::1']],
    ['networks', '10.0.0.0/33', undefined],
    ['networks', 'proxy.example.org', undefined],
    ['catalogue', 'sqlite:x', 'sqlite:x'],
    ['catalogue', 'sqlite:', undefined],
    ['catalogue', 'postgresql://h/d', 'postgresql://h/d'],
    ['proxyProtocol', 'optional', 'optional'],
    ['proxyProtocol', 'ON', undefined],
    ['url', 'https://registry.example.org', 'https://registry.example.org'],
    ['url', 'https://Registry.example.org:443/', 'https://registry.example.org'],
    ['url', 'http://[::1]:5000', 'http://[::1]:5000'],
    ['url', 'https://x/path', undefined],
    ['url', 'https://user@x', undefined],
    ['url', 'https://:pw@x', undefined],
    ['url', 'https://x/?', undefined],
    ['url', 'x.example.org', undefined],
  ]
  test.each(cases)('%s %j', (kind, text, expected) => {
    expect(kinds[kind].parse(text) as unknown).toEqual(expected)
  })

  test('every default is of its kind and comes back as it is written', () => {
    for (const [name, row] of rows) {
      if (row.default === undefined) continue
      const kind = kinds[row.kind] as { parse(text: string): unknown; format(value: unknown): string }
      const value = kind.parse(row.default)
      expect([name, value]).not.toEqual([name, undefined])
      expect([name, kind.parse(kind.format(value))]).toEqual([name, value])
    }
  })
})

describe('rules between options', () => {
  test('the defaults need nothing else', () => {
    expect(configOf({})).toMatchObject({ candidateChannel: 'candidate', publicChannel: 'stable', tls: undefined })
  })

  test.each([
    ['one half of TLS', { tlsCert: 'a.pem' }, 'tls-cert and tls-key go together'],
    [
      'a public listener without an address',
      { registryListen: '0.0.0.0:5000' },
      'registry-url must say under which address',
    ],
    [
      'a public listener with a loopback address',
      { originListen: '[::]:5003', originUrl: 'http://[::1]:5003' },
      'not a loopback one',
    ],
    [
      'a public listener with localhost',
      { apiListen: 'db.example.org:1', apiUrl: 'http://localhost:1' },
      'api-url must say',
    ],
    ['no channel', { channels: ',' }, 'channels: at least one is needed'],
    ['no public channel', { publicChannels: ',' }, 'public-channels: at least one is needed'],
    [
      'an unknown public channel',
      { publicChannels: 'prod' },
      'public-channels: "prod" is no channel; channels lists candidate, testing, stable',
    ],
    ['an unknown foreign channel', { foreignLayerChannels: 'prod' }, 'foreign-layer-channels: "prod" is no channel'],
    ['candidates in public', { publicChannels: 'candidate' }, 'public-channels: candidate is where pushes land'],
    ['a bucket for blobs', { blobs: 's3://bucket/prefix' }, 'blobs: s3://bucket/prefix is an address'],
    ['work without a pause', { livenessInterval: '0s' }, 'liveness-interval: must be more than 0'],
    [
      'a PROXY header that nobody is trusted with',
      { frontdoorProxyProtocol: 'on' },
      'trusted-proxies names nobody whose PROXY header could be believed',
    ],
    [
      'a PROXY header before TLS of our own',
      { frontdoorProxyProtocol: 'optional', trustedProxies: '10.0.0.1', tlsCert: 'a', tlsKey: 'b' },
      'Let the proxy end TLS and leave tls-cert out',
    ],
  ])('%s is refused', (_, flags, reason) => {
    expect(() => configOf(flags)).toThrow(ConfigError)
    expect(() => configOf(flags)).toThrow(reason)
  })

  test.each(['tlsCert', 'tlsKey', 'hostCa', 'countries', 'asns', 'clientPolicy'] as const)(
    'a server is told at its start that the file of %s is not there',
    (option) => {
      const withPath = (path: string) => ({ ...configOf({}).settings, [option]: path })
      expect(() => checkFiles(withPath('/nowhere'))).toThrow(`${namesOf(option).key}: /nowhere cannot be read`)
      expect(() => checkFiles(withPath(import.meta.path))).not.toThrow()
    },
  )

  test('without any country file there is none to miss', () => {
    expect(() => checkFiles({ ...configOf({}).settings, countries: 'none' })).not.toThrow()
  })

  test('a public listener is taken with its public address', () => {
    const config = configOf({ registryListen: '0.0.0.0:5000', registryUrl: 'https://registry.example.org' })
    expect(config.urls.registry).toBe('https://registry.example.org')
  })

  test('places follow the data folder unless they are given', () => {
    expect(configOf({ data: '/srv/flotilla' })).toMatchObject({
      keys: '/srv/flotilla/keys',
      blobs: '/srv/flotilla/store',
      tree: '/srv/flotilla/tree',
      cataloguePath: { kind: 'sqlite', path: '/srv/flotilla/catalogue.sqlite' },
    })
    expect(configOf({ data: '/a', tree: '/b', catalogue: 'postgres://u@h/d' })).toMatchObject({
      tree: '/b',
      cataloguePath: { kind: 'postgres', url: 'postgres://u@h/d' },
    })
  })
})

describe('docs/options.md', () => {
  const page = renderOptionsPage()
  test('is what the table of options says', () => {
    // To bring it up to date: FLOTILLA_WRITE_DOCS=1 with this test.
    const path = join(import.meta.dir, '../../docs/options.md')
    if (process.env.FLOTILLA_WRITE_DOCS === '1') writeFileSync(path, page)
    expect(readFileSync(path, 'utf8')).toBe(page)
  })

  test('names every option once, with its variable', () => {
    for (const [name] of rows) {
      const { flag, variable } = namesOf(name)
      expect(page.split(`| \`${flag}\` | \`${variable}\` |`)).toHaveLength(2)
    }
  })
})
