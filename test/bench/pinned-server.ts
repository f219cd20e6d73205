// Servers that are measured: each alone on core 0, while the load comes from core 1.
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Digest } from '#oci/digest.ts'
import { findFreePort } from '../kit/free-port.ts'

export type PinnedServer = { readonly name: string; readonly port: number; readonly pid: number; stop(): Promise<void> }

/** Resolves when it answers. */
async function start(name: string, port: number, command: readonly string[]): Promise<PinnedServer> {
  const child = spawn('taskset', ['-c', '0', ...command], { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const answers = () =>
    fetch(`http://127.0.0.1:${port}/v2/`, { redirect: 'manual' }).then(
      () => true,
      () => false,
    )
  while (!(await answers())) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return {
    name,
    port,
    pid: child.pid!,
    async stop() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** `files`: what it serves from its disk, by path; `redirect`: where it sends everything else. */
export async function startPinnedNginx(
  folder: string,
  { redirect, files = [] }: { redirect: string; files?: readonly { path: string; bytes: Uint8Array }[] },
): Promise<PinnedServer> {
  const port = await findFreePort()
  for (const { path, bytes } of files) {
    const file = join(folder, 'files', path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, bytes)
  }
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  )
  writeFileSync(
    join(folder, 'nginx.conf'),
    `user root; master_process off; worker_processes 1; daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
events { worker_connections 1024; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; open_file_cache max=20000; ${temporary.join(' ')}
  server { listen 127.0.0.1:${port}; root ${folder}/files;
    location ~ /manifests/ { default_type application/vnd.oci.image.manifest.v1+json; }
    location /large/ { }
    location / { return 307 ${redirect}; } } }
`,
  )
  return start('nginx', port, ['nginx', '-e', `${folder}/error.log`, '-c', `${folder}/nginx.conf`])
}

export async function startPinnedHaproxy(folder: string, redirect: string): Promise<PinnedServer> {
  const port = await findFreePort()
  writeFileSync(
    join(folder, 'haproxy.cfg'),
    `global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout client 60s
  timeout connect 5s
  timeout server 60s
frontend front
  bind 127.0.0.1:${port}
  http-request redirect location ${redirect} code 307
`,
  )
  return start('haproxy', port, ['haproxy', '-db', '-q', '-f', join(folder, 'haproxy.cfg')])
}

export type FrontServerOptions = {
  readonly name: string
  readonly packs: readonly string[]
  readonly ticket: 'none' | 'query'
  /** Where the bytes are of blobs that no host has. */
  readonly tree: string
  readonly missing: readonly Digest[]
  /** The listener alone: the same redirect for whatever is asked. */
  readonly isFixed?: boolean
  /** Every second a new publication, placement and health. */
  readonly isSwapping?: boolean
}

export async function startPinnedFront({ name, ...about }: FrontServerOptions): Promise<PinnedServer> {
  const port = await findFreePort()
  const program = join(import.meta.dir, 'front-door-server.ts')
  return start(name, port, [process.execPath, program, JSON.stringify({ port, ...about })])
}

/** Processor time of a process so far, in seconds; the kernel counts in hundredths. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}
