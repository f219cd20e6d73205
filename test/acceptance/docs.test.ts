// What the documentation tells people to type is typed here, as it stands there: against a demonstration of its own, with real clients.
// Blocks below `<!-- run -->` are run in order, in one shell; ports are the only thing that is changed.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { type Flotilla, flotillaProgram, type ListenerName, startFlotilla } from '../kit/flotilla.ts'
import { findFreePort } from '../kit/free-port.ts'
import { describeWith, unlessRoot } from '../kit/need-tool.ts'
import { type Environment, mustRun, type RunningProcess, runProgram, startProcess } from '../kit/process.ts'
import { getTool } from '../kit/tool.ts'
import { waitUntil } from '../kit/wait-until.ts'

const repository = join(import.meta.dir, '../..')
const read = (page: string) => readFileSync(join(repository, page), 'utf8')
const pages = ['README.md', ...globSync('docs/**/*.md', { cwd: repository })].sort()
const defaultPorts: Readonly<Record<string, ListenerName>> = {
  '127.0.0.1:5000': 'registry',
  '127.0.0.1:5001': 'frontdoor',
  '127.0.0.1:5002': 'api',
  '127.0.0.1:5003': 'origin',
}

const blocksToRun = (page: string) =>
  [...read(page).matchAll(/^<!-- run -->\n```sh\n(.*?)^```$/gms)].map(([, text]) => text!)
const runnable = pages.filter((page) => blocksToRun(page).length > 0)

/** A docker daemon of the test's own, and storage of its own for podman and skopeo: what people have on their machines already. */
function clientsIn(folder: string): { daemon: RunningProcess; env: Environment } {
  const at = (name: string) => join(folder, name)
  mkdirSync(at('.config/containers'), { recursive: true })
  writeFileSync(at('.config/containers/policy.json'), JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }))
  writeFileSync(
    at('storage.conf'),
    `[storage]\ndriver = "vfs"\ngraphroot = "${at('graph')}"\nrunroot = "${at('run')}"\n`,
  )
  writeFileSync(
    at('containers.conf'),
    `[engine]\ntmp_dir = "${at('libpod')}"\nevents_logger = "file"\ncgroup_manager = "cgroupfs"\n`,
  )
  writeFileSync(at('auth.json'), '{}')
  const socket = `unix://${at('docker.sock')}`
  const places = ['--data-root', at('docker'), '--exec-root', at('exec'), '--pidfile', at('docker.pid'), '-H', socket]
  const options = ['--iptables=false', '--ip6tables=false', '--bridge=none', '--storage-driver=vfs']
  const daemon = startProcess(getTool('dockerd'), [...places, ...options], {
    logFile: at('dockerd.log'),
    env: { HOME: folder },
  })
  const env = {
    HOME: folder,
    PATH: `/usr/sbin:/usr/bin:/sbin:/bin:${process.env.PATH}`,
    DOCKER_HOST: socket,
    DOCKER_CONFIG: at('docker-config'),
    XDG_CONFIG_HOME: at('.config'),
    XDG_RUNTIME_DIR: at('run'),
    CONTAINERS_STORAGE_CONF: at('storage.conf'),
    CONTAINERS_CONF: at('containers.conf'),
    REGISTRY_AUTH_FILE: at('auth.json'),
  }
  return { daemon, env }
}

const tools = ['docker', 'dockerd', 'podman', 'skopeo', 'curl']
describeWith('commands of the documentation', tools, unlessRoot()).each(runnable)('the commands of %s', (page) => {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-docs-'))
  let flotilla: Flotilla
  let clients: ReturnType<typeof clientsIn>

  beforeAll(async () => {
    symlinkSync(join(repository, 'bin'), join(folder, 'bin'))
    const env = { FLOTILLA_DATA: join(folder, 'var') }
    flotilla = await startFlotilla({ folder, env, args: ['up', '--demo'] })
    clients = clientsIn(folder)
    const version = () => runProgram(getTool('docker'), ['version'], { env: clients.env })
    await waitUntil(async () => (await version()).code === 0, { what: 'dockerd answers', everyMs: 100 })
  })
  afterAll(async () => {
    await clients?.daemon[Symbol.asyncDispose]()
    await flotilla?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  test('work as they stand there', async () => {
    const campus = await findFreePort()
    const text = blocksToRun(page)
      .join('\n')
      .replaceAll('127.0.0.1:5101', `127.0.0.1:${campus}`)
      .replaceAll('127.0.0.1:5004', flotilla.env.FLOTILLA_MIRROR_LISTEN!)
      .replaceAll(/127\.0\.0\.1:500[0-3]/g, (address) => flotilla.address(defaultPorts[address]!))
    // What a page starts in the background ends with its shell, also when a command fails.
    const script = `trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n${text}`
    const said = await mustRun('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: folder,
      env: { ...flotilla.env, ...clients.env },
    })
    expect(said).not.toBe('')
  })
})

test('something is run', () => {
  expect(runnable).toContain('README.md')
})

test.each(pages)('the places that %s points at are there', (page) => {
  const links = [...read(page).matchAll(/\]\((?!https?:)([^)#]+)(#[^)]*)?\)/g)].map(([, path]) => path!)
  for (const path of links) expect([path, existsSync(join(repository, dirname(page), path))]).toEqual([path, true])
})

test('every decision has its line in the list of them', () => {
  const list = read('docs/decisions/README.md')
  const decisions = globSync('docs/decisions/[0-9]*.md', { cwd: repository })
  expect(decisions.length).toBeGreaterThan(0)
  for (const path of decisions) expect(list).toContain(`[${/^# \d+\. (.*)/.exec(read(path))?.[1]}](${basename(path)})`)
})

test('every part of `npm run bench` is told of', () => {
  const [, names = ''] = /^const programs = \[(.*?)\]/ms.exec(read('test/bench/run.ts')) ?? []
  const parts = [...names.matchAll(/'([a-z-]+)'/g)].map(([, part]) => part!)
  expect(parts.length).toBeGreaterThan(0)
  for (const part of parts) expect(read('docs/develop.md')).toContain(`\`${part}\``)
})

/** Every command in a block of shell: its verbs and its long flags. */
function commandsOf(text: string): { verb: string[]; flags: string[] }[] {
  const lines = text.replaceAll('\\\n', ' ').split('\n')
  return lines.flatMap((line) => {
    const [, rest] = /(?:^|\s)(?:\.\/bin\/)?flotilla ((?!:).*)$/.exec(line) ?? []
    if (rest === undefined) return []
    const words = rest.replaceAll(/"[^"]*"/g, 'quoted').split(/\s+/)
    const verb = words.slice(
      0,
      Math.max(
        0,
        words.findIndex((word) => !/^[a-z-]+$/.test(word) || word.startsWith('-')),
      ),
    )
    return [
      {
        verb: verb.length > 0 ? verb : words.slice(0, 1),
        flags: words.filter((word) => /^--[a-z]/.test(word)).map((word) => word.split('=')[0]!),
      },
    ]
  })
}

test.each(pages)('the commands and options that %s names exist', async (page) => {
  const shell = [...read(page).matchAll(/^```sh\n(.*?)^```$/gms)].map(([, text]) => text!).join('\n')
  for (const { verb, flags } of commandsOf(shell)) {
    const { code, stdout, stderr } = await runProgram(flotillaProgram, [...verb.slice(0, 2), '--help'])
    expect([verb, code, stderr]).toEqual([verb, 0, ''])
    for (const flag of flags) expect(stdout).toMatch(new RegExp(`${flag}\\b`))
  }
  // The page of options is made from their table; the rsync script has some of its own, and replicate tells its hooks by some.
  const places = ['docs/options.md', 'deploy/rsync/flotilla-rsync', 'src/roles/replicate.ts']
  const texts = places.map(read).join('\n')
  const known = [...texts.matchAll(/FLOTILLA_[A-Z_]+/g)].map(([name]) => name)
  for (const [name] of read(page).matchAll(/(?<![\w<])FLOTILLA_[A-Z]+(?:_[A-Z]+)*(?![\w<>*])/g))
    expect(known).toContain(name)
})
