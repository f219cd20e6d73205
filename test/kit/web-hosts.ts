// Volunteers' web servers: nginx and Apache httpd with the configuration their packages bring, only moved to a folder, an address
// and a tree of their own.

import { appendFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type LoggedRequest, readAccessLog } from './access-log.ts'
import type { Authority } from './certificate-authority.ts'
import { canConnect, findFreePort } from './free-port.ts'
import { type RunningProcess, startProcess } from './process.ts'
import { getTool } from './tool.ts'
import { waitUntil } from './wait-until.ts'

export type WebHost = AsyncDisposable & {
  readonly url: string
  /** What a mirror admin would copy the tree to. */
  readonly tree: string
  requests(): LoggedRequest[]
}

export type WebHostOptions = {
  /** Of this host alone; must be enterable by the server's user. */
  readonly folder: string
  readonly address: string
  readonly authority?: Authority | undefined
  /** More lines of the server's configuration (nginx only): what careless admins write. */
  readonly directives?: string | undefined
}

type Place = { readonly folder: string; readonly tree: string; readonly address: string; readonly port: number }

async function makePlace({ folder, address }: WebHostOptions): Promise<Place> {
  const tree = join(folder, 'tree')
  mkdirSync(tree, { recursive: true, mode: 0o755 })
  return { folder, tree, address, port: await findFreePort(address) }
}

async function whenListening(place: Place, server: RunningProcess, scheme: string): Promise<WebHost> {
  const { address, port, tree, folder } = place
  await waitUntil(
    () => {
      if (!server.isRunning()) throw new Error(server.output())
      return canConnect(address, port)
    },
    { what: `a web server at ${address}:${port}`, limitMs: 20_000 },
  )
  return {
    url: `${scheme}://${address}:${port}`,
    tree,
    requests: () => readAccessLog(join(folder, 'access.log')),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

export async function startNginx(options: WebHostOptions): Promise<WebHost> {
  const place = await makePlace(options)
  const { folder, address, port, tree } = place
  const { authority } = options
  const at = (name: string) => join(folder, name)
  const stock = readFileSync('/etc/nginx/nginx.conf', 'utf8')
  const moved = stock
    .replace(/^pid .*$/m, `pid ${at('nginx.pid')};`)
    .replace(/^\s*include \/etc\/nginx\/sites-enabled.*$/m, `include ${at('site')};`)
    .replace(/^\s*include \/etc\/nginx\/modules-enabled.*$/m, '')
    .replaceAll('/var/log/nginx/', `${folder}/`)
  writeFileSync(at('nginx.conf'), moved)
  const tls = authority ? `ssl_certificate ${authority.cert};\n  ssl_certificate_key ${authority.key};` : ''
  const site = `listen ${address}:${port}${authority ? ' ssl' : ''};\n  root ${tree};\n  ${tls}\n  ${options.directives ?? ''}`
  writeFileSync(at('site'), `server {\n  ${site}\n}\n`)
  const args = ['-c', at('nginx.conf'), '-g', 'daemon off;']
  const server = startProcess(getTool('nginx'), args, { logFile: at('nginx.out') })
  return whenListening(place, server, authority ? 'https' : 'http')
}

export async function startApache(options: WebHostOptions): Promise<WebHost> {
  const place = await makePlace(options)
  const { folder, address, port, tree } = place
  const { authority } = options
  const root = join(folder, 'apache2')
  cpSync('/etc/apache2', root, { recursive: true, dereference: true })
  rmSync(join(root, 'sites-enabled'), { recursive: true })
  mkdirSync(join(root, 'sites-enabled'))
  writeFileSync(join(root, 'ports.conf'), `Listen ${address}:${port}\nServerName ${address}\n`)
  const access = `DocumentRoot ${tree}\n<Directory ${tree}>\n  Require all granted\n</Directory>`
  const log = `CustomLog ${folder}/access.log combined\nErrorLog ${folder}/error.log`
  const tls = authority
    ? `SSLEngine on\nSSLCertificateFile ${authority.cert}\nSSLCertificateKeyFile ${authority.key}`
    : ''
  const site = `<VirtualHost *:${port}>\n${access}\n${log}\n${tls}\n</VirtualHost>\n`
  writeFileSync(join(root, 'sites-enabled/tree.conf'), site)
  appendFileSync(join(root, 'apache2.conf'), `\nServerRoot "${root}"\n`)
  if (authority) {
    for (const file of ['socache_shmcb.load', 'ssl.load', 'ssl.conf']) {
      cpSync(join('/etc/apache2/mods-available', file), join(root, 'mods-enabled', file))
    }
  }
  const env = {
    APACHE_CONFDIR: root,
    APACHE_RUN_USER: process.getuid?.() === 0 ? 'www-data' : String(process.env.USER),
    APACHE_RUN_GROUP: process.getuid?.() === 0 ? 'www-data' : String(process.env.USER),
    APACHE_PID_FILE: join(folder, 'apache2.pid'),
    APACHE_RUN_DIR: folder,
    APACHE_LOCK_DIR: folder,
    APACHE_LOG_DIR: folder,
  }
  const args = ['-d', root, '-f', join(root, 'apache2.conf'), '-DFOREGROUND']
  const server = startProcess(getTool('apache2'), args, { logFile: join(folder, 'apache2.out'), env })
  return whenListening(place, server, authority ? 'https' : 'http')
}
