// A copied tree behind the servers that volunteers run, with the configurations that deploy/ ships, and copied on from there.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmod, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { blobPath, type Digest } from '#oci/digest.ts'
import { timestampPath } from '#snapshots/tree-contents.ts'
import { rsyncdConfig, rsyncdDefaults } from '#stages/replicate/rsyncd-config.ts'
import { findFreePort } from '../kit/free-port.ts'
import { digestOf, layer, placed } from '../kit/front-door.ts'
import { type FrontListener, openFrontListener } from '../kit/front-listener.ts'
import { describeWith } from '../kit/need-tool.ts'
import { mustRun, type RunningProcess, runProgram, startProcess } from '../kit/process.ts'
import { PublishedTree } from '../kit/published-tree.ts'
import { runReplicate } from '../kit/run-replicate.ts'
import { getTool } from '../kit/tool.ts'
import { startTreeOrigin, type TreeOrigin } from '../kit/tree-origin.ts'
import { waitUntil } from '../kit/wait-until.ts'

const deploy = join(import.meta.dir, '../../deploy')
const bytesOf = (n: number) => Uint8Array.from({ length: 100_000 }, (_, i) => (i * (n + 3) + n) % 251)

let root: string
let tree: PublishedTree
let origin: TreeOrigin
let client: OutboundClient
/** A copy of the tree: what a volunteer serves. */
let served: string
let digest: Digest
/** Where the hosts send back what they lack. */
let front: FrontListener
let registry: string

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'replicate-servers-'))
  // Servers give up their rights and must still reach the tree.
  await chmod(root, 0o755)
  client = new OutboundClient({ allowPrivate: true, userAgent: 'flotilla/test' })
  front = await openFrontListener()
  registry = `http://127.0.0.1:${front.listener.port}`
  tree = await PublishedTree.make(join(root, 'tree'), join(root, 'keys'))
  for (let n = 1; n <= 4; n++) digest = await tree.add(bytesOf(n))
  await tree.publish()
  origin = startTreeOrigin(tree.folder)
  served = join(root, 'served')
  await copy(origin.url, served)
  await writeFile(join(served, 'secret'), 'not of the tree')
  // As files are that were not copied within this very second, of which Apache tells no strong tag.
  for (const file of await readdir(served, { recursive: true })) await utimes(join(served, file), 1e9, 1e9)
  await symlink(join(root, 'keys'), join(served, 'catalogue/7.pack'))
})
afterAll(async () => {
  await front[Symbol.asyncDispose]()
  await client[Symbol.asyncDispose]()
  await origin.listener.stop(100)
  await rm(root, { recursive: true })
})

function copy(from: string, to: string) {
  return runReplicate(client, { from: [from], to, graceMs: 0 })
}

function waitForAnswer(url: string, running: RunningProcess): Promise<unknown> {
  const ended = running.exited.then((code) => {
    throw new Error(`it ended with ${code}: ${running.output()}`)
  })
  const answered = waitUntil(() => fetch(url).then(() => true), { what: `an answer from ${url}`, limitMs: 20_000 })
  return Promise.race([answered, ended])
}

async function filled(file: string, changes: Readonly<Record<string, string>>): Promise<string> {
  let text = await readFile(join(deploy, file), 'utf8')
  for (const [from, to] of Object.entries(changes)) {
    expect(text).toContain(from)
    text = text.replaceAll(from, to)
  }
  return text
}

const servers = {
  async nginx(port: number) {
    const site = await filled('nginx/flotilla-tree.conf', {
      'listen 80;': `listen 127.0.0.1:${port};`,
      'listen [::]:80;': '',
      '/srv/flotilla': served,
      'https://registry.example.org': registry,
    })
    await writeFile(join(root, 'site.conf'), site)
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (one) => `${one}_temp_path ${root}/nginx-${one};`,
    )
    const main = `daemon off; pid ${root}/nginx.pid; error_log stderr; events {}
      http { include /etc/nginx/mime.types; gzip on; gzip_types *; gzip_min_length 1; access_log off;
      ${temporary.join('\n')} include ${root}/site.conf; }`
    await writeFile(join(root, 'nginx.conf'), main)
    return startProcess(getTool('nginx'), ['-c', join(root, 'nginx.conf')], { logFile: join(root, 'nginx.log') })
  },
  async apache2(port: number) {
    const site = await filled('apache/flotilla-tree.conf', {
      '*:80': `127.0.0.1:${port}`,
      '/srv/flotilla': served,
      'https://registry.example.org': registry,
    })
    const modules = [
      'mpm_event',
      'authz_core',
      'authz_host',
      'alias',
      'rewrite',
      'mime',
      'deflate',
      'filter',
      'setenvif',
      'headers',
      'dir',
      'autoindex',
    ]
    const load = modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`)
    const main = `${load.join('\n')}
      ServerRoot ${root}\nPidFile ${root}/apache.pid\nErrorLog ${root}/apache-error.log\nListen 127.0.0.1:${port}
      User www-data\nGroup www-data\nServerName localhost\nMutex file:${root} default\nDefaultRuntimeDir ${root}
      TypesConfig /etc/mime.types\nAddEncoding x-gzip .gz\nSetOutputFilter DEFLATE
      <Directory />\nRequire all denied\nOptions FollowSymLinks Indexes\n</Directory>\n${site}`
    await writeFile(join(root, 'apache.conf'), main)
    const args = ['-f', join(root, 'apache.conf'), '-DFOREGROUND']
    return startProcess(getTool('apache2'), args, { logFile: join(root, 'apache.log') })
  },
  async caddy(port: number) {
    const site = await filled('caddy/flotilla-tree.caddy', {
      'mirror.example.org {': `http://127.0.0.1:${port} {`,
      '/srv/flotilla': served,
      'https://registry.example.org': registry,
    })
    const file = join(root, 'Caddyfile')
    await writeFile(file, `{\n\tadmin off\n}\n${site}`)
    const args = ['run', '--adapter', 'caddyfile', '--config', file]
    const env = { HOME: root, XDG_DATA_HOME: join(root, 'caddy'), XDG_CONFIG_HOME: join(root, 'caddy') }
    return startProcess(getTool('caddy'), args, { logFile: join(root, 'caddy.log'), env })
  },
} as const

for (const [name, start] of Object.entries(servers)) {
  describeWith(`${name} with the shipped configuration`, [name])(`${name} with the shipped configuration`, () => {
    let server: RunningProcess
    let url: string
    beforeAll(async () => {
      const port = await findFreePort()
      url = `http://127.0.0.1:${port}`
      server = await start(port)
      await waitForAnswer(url, server)
    })
    afterAll(() => server.stop().then(() => undefined))

    test('sends a blob whole, in part and in parts, as it is', async () => {
      const blob = `${url}/${blobPath(digest)}`
      const headers = { 'accept-encoding': 'zstd;q=1.0, gzip;q=0.8, br' }
      const whole = await fetch(blob, { headers })
      expect(whole.status).toBe(200)
      expect(whole.headers.get('content-encoding')).toBeNull()
      expect(whole.headers.get('content-type')).toBe('application/octet-stream')
      expect(whole.headers.get('content-length')).toBe('100000')
      expect(whole.headers.get('cache-control')).toContain('immutable')
      expect(whole.headers.get('x-content-type-options')).toBe('nosniff')
      expect(new Uint8Array(await whole.arrayBuffer())).toEqual(bytesOf(4))
      const part = await fetch(blob, { headers: { ...headers, range: 'bytes=10-19' } })
      expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 10-19/100000'])
      expect(new Uint8Array(await part.arrayBuffer())).toEqual(bytesOf(4).slice(10, 20))
      const parts = await fetch(blob, { headers: { ...headers, range: 'bytes=0-1,500-501' } })
      expect([parts.status, parts.headers.get('content-type')]).toEqual([
        206,
        expect.stringContaining('multipart/byteranges'),
      ])
      expect((await fetch(blob, { headers: { range: 'bytes=200000-' } })).status).toBe(416)
      const end = await fetch(blob, { headers: { ...headers, range: 'bytes=-5' } })
      expect([end.status, end.headers.get('content-range')]).toEqual([206, 'bytes 99995-99999/100000'])
      expect(new Uint8Array(await end.arrayBuffer())).toEqual(bytesOf(4).slice(-5))
      const etag = whole.headers.get('etag')!
      for (const [ifRange, status] of [
        [etag, 206],
        ['"another"', 200],
      ] as const) {
        const answer = await fetch(blob, { headers: { ...headers, range: 'bytes=10-19', 'if-range': ifRange } })
        expect([ifRange, answer.status]).toEqual([ifRange, status])
      }
      expect((await fetch(blob, { headers: { 'if-none-match': etag } })).status).toBe(304)
      const head = await fetch(blob, { method: 'HEAD', headers })
      expect([head.status, head.headers.get('content-length')]).toEqual([200, '100000'])
    })

    test('sends lists without calling them packed, and metadata for a short time', async () => {
      const list = await fetch(`${url}/lists/1.gz`, { headers: { 'accept-encoding': 'gzip' } })
      expect([list.headers.get('content-encoding'), list.headers.get('content-type')]).toEqual([
        null,
        'application/octet-stream',
      ])
      expect(Buffer.from(await list.arrayBuffer())).toEqual(await readFile(join(served, 'lists/1.gz')))
      const timestamp = await fetch(`${url}/${timestampPath}`)
      expect([timestamp.status, timestamp.headers.get('cache-control')]).toEqual([200, 'public, max-age=5'])
      expect((await fetch(`${url}/trace/host.example.org`)).status).toBe(200)
    })

    test.each([
      '/',
      '/secret',
      '/.replicate/',
      '/.replicate/state.json',
      '/blobs/',
      '/blobs',
      '/lists/',
      '/lists/..%2f.replicate/state.json',
      '/blobs/sha256/../../secret',
      '/metadata/.timestamp.json.tmp',
      '/catalogue/7.pack',
      '/catalogue/7.pack/targets.key',
    ])('has no %s', async (path) => {
      const { stdout } = await runProgram('curl', ['-s', '--path-as-is', '-o', '-', '-w', '\n%{http_code}', url + path])
      expect(stdout.split('\n').at(-1)).toMatch(/^(404|403|400)$/)
      expect(stdout).not.toMatch(/not of the tree|"highest"|PRIVATE KEY|Index of/)
    })

    test('sends a client back, with its ticket, for a blob that is not here', async () => {
      const missing = `/blobs/sha256/00/${'0'.repeat(64)}`
      const answer = await fetch(`${url}${missing}?t=Ab_-9`, { redirect: 'manual' })
      expect([answer.status, answer.headers.get('location')]).toEqual([307, `${registry}${missing}?miss=Ab_-9`])
      expect(answer.headers.get('cache-control')).toBe('no-store')
      for (const query of ['', '?t=', '?t=a%0d%0ab']) {
        expect((await fetch(url + missing + query, { redirect: 'manual' })).status).toBe(404)
      }
    })

    test('sends it back to a front door, which answers with the bytes, or the part that was asked for', async () => {
      const { fixture } = front
      // What the server before this one left in the memory of the front door is over.
      fixture.clock.nowMs += 3_600_000
      fixture.fleet([placed(Number(new URL(url).port), url, { ticket: 'query' })])
      const asked = `${registry}/v2/fedora/base/blobs/${digestOf(layer)}`
      const location = (await fetch(asked, { redirect: 'manual' })).headers.get('location')!
      expect(location).toStartWith(`${url}/${blobPath(digestOf(layer))}?t=`)
      const saved = join(root, 'sent-back')
      for (const [args, status, bytes] of [
        [[], 200, layer],
        [['-r', '0-99'], 206, layer.subarray(0, 100)],
        [['-r', '-5'], 206, layer.subarray(-5)],
        [['-r', '299990-'], 206, layer.subarray(299_990)],
        [['-r', '5-9', '-H', `If-Range: "${digestOf(layer)}"`], 206, layer.subarray(5, 10)],
        [['-H', 'Accept-Encoding: gzip, zstd'], 200, layer],
      ] as [string[], number, Buffer][]) {
        const told = await mustRun('curl', [
          '-sSL',
          '-o',
          saved,
          '-w',
          '%{http_code} %{num_redirects}',
          ...args,
          location,
        ])
        expect(told).toBe(`${status} 1`)
        expect((await readFile(saved)).equals(bytes)).toBe(true)
      }
    })

    test.each(['POST', 'PUT', 'DELETE'])('refuses %s', async (method) => {
      expect((await fetch(`${url}/lists/1.gz`, { method })).status).toBeOneOf([403, 405])
    })

    test('is copied on from, and a run without change is one answer', async () => {
      const to = join(root, `from-${name}`)
      expect(await copy(url, to)).toMatchObject({ outcome: 'updated', files: 6 })
      expect(await copy(url, to)).toMatchObject({ outcome: 'unchanged' })
      expect(await readFile(join(to, blobPath(digest)))).toEqual(Buffer.from(bytesOf(4)))
    })
  })
}

describeWith('rsync', ['rsync'])('the real rsync', () => {
  let daemon: RunningProcess
  let url: string
  beforeAll(async () => {
    const port = await findFreePort()
    const isRoot = process.getuid?.() === 0
    const config = rsyncdConfig({ ...rsyncdDefaults, module: 'copy', folder: served, isRoot })
    await writeFile(join(root, 'rsyncd.conf'), config)
    const args = ['--daemon', '--no-detach', '--address=127.0.0.1', `--port=${port}`, `--config=${root}/rsyncd.conf`]
    daemon = startProcess(getTool('rsync'), [...args, `--log-file=${root}/rsyncd.log`], {
      logFile: join(root, 'rsync.log'),
    })
    url = `rsync://127.0.0.1:${port}/copy`
    await waitUntil(async () => (await runProgram('rsync', [`${url}/`])).code === 0, { what: 'an answer from rsyncd' })
  })
  afterAll(() => daemon.stop().then(() => undefined))

  test('lists no module, shows nothing but the tree and takes nothing', async () => {
    const port = new URL(url).port
    expect((await mustRun('rsync', [`rsync://127.0.0.1:${port}/`])).trim()).toBe('')
    const listed = await mustRun('rsync', ['-r', `${url}/`])
    expect(listed).toContain('metadata/timestamp.json')
    for (const hidden of ['.replicate', 'secret']) expect(listed).not.toContain(hidden)
    for (const path of ['.replicate/state.json', 'secret']) {
      expect((await runProgram('rsync', [`${url}/${path}`, `${root}/stolen`])).code).not.toBe(0)
    }
    const put = await runProgram('rsync', [join(root, 'rsyncd.conf'), `${url}/lists/`])
    expect([put.code, put.stderr]).toEqual([1, expect.stringContaining('read only')])
  })

  test('copies the tree so that replicate has nothing to fetch', async () => {
    const to = join(root, 'by-rsync')
    await mustRun('rsync', ['-rt', `${url}/`, `${to}/`])
    expect(await readdir(to)).toEqual(expect.not.arrayContaining(['.replicate', 'secret']))
    origin.forget()
    expect(await copy(origin.url, to)).toMatchObject({ outcome: 'updated', files: 0, bytes: 0 })
    expect(origin.asked.filter((one) => !one.includes('/metadata/'))).toEqual([])
    expect(await copy(origin.url, to)).toMatchObject({ outcome: 'unchanged' })
  })
})
