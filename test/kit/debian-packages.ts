// The real clients and servers that the tests drive, and how they come onto a bare Debian.

import { spawnSync } from 'node:child_process'
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { nginxStreamModule } from './proxies.ts'
import { findTool } from './tool.ts'

type ToolRow = {
  /** A program's name, or the path of what is no program. */
  readonly tool: string
  readonly package: string
  /** Where newer releases keep it. */
  readonly laterPackage?: string
  readonly version: readonly string[]
}

export const toolRows: readonly ToolRow[] = [
  { tool: 'docker', package: 'docker.io', laterPackage: 'docker-cli', version: ['--version'] },
  { tool: 'dockerd', package: 'docker.io', version: ['--version'] },
  { tool: 'containerd', package: 'containerd', version: ['--version'] },
  { tool: 'ctr', package: 'containerd', version: ['--version'] },
  { tool: 'podman', package: 'podman', version: ['--version'] },
  { tool: 'skopeo', package: 'skopeo', version: ['--version'] },
  { tool: 'buildah', package: 'buildah', version: ['--version'] },
  { tool: 'docker-registry', package: 'docker-registry', version: ['--version'] },
  { tool: 'nginx', package: 'nginx', version: ['-v'] },
  { tool: nginxStreamModule, package: 'libnginx-mod-stream', version: [] },
  { tool: 'apache2', package: 'apache2', version: ['-v'] },
  { tool: 'caddy', package: 'caddy', version: ['version'] },
  { tool: 'haproxy', package: 'haproxy', version: ['-v'] },
  { tool: 'rsync', package: 'rsync', version: ['--version'] },
  { tool: 'initdb', package: 'postgresql', version: ['--version'] },
  { tool: 'wrk', package: 'wrk', version: ['-v'] },
  { tool: 'openssl', package: 'openssl', version: ['version'] },
  { tool: 'curl', package: 'curl', version: ['--version'] },
  { tool: 'busybox', package: 'busybox', version: ['--help'] },
  { tool: 'shellcheck', package: 'shellcheck', version: ['--version'] },
  { tool: 'systemd-analyze', package: 'systemd', version: ['--version'] },
  { tool: 'tinyproxy', package: 'tinyproxy-bin', version: ['-v'] },
  { tool: 'faketime', package: 'faketime', version: ['--version'] },
  { tool: 'chromium', package: 'chromium', version: ['--version'] },
]

const policyFile = '/usr/sbin/policy-rc.d'

/** Packages start their services when installed; exit 101 of this file tells them not to. */
function withoutServices(install: () => string | undefined): string | undefined {
  const kept = `${policyFile}.flotilla-kept`
  const hadPolicy = existsSync(policyFile)
  if (hadPolicy) renameSync(policyFile, kept)
  try {
    writeFileSync(policyFile, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
    return install()
  } finally {
    rmSync(policyFile, { force: true })
    if (hadPolicy) renameSync(kept, policyFile)
  }
}

function aptGet(...args: string[]): string | undefined {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const ended = spawnSync('apt-get', ['-qq', '-o', 'Dpkg::Use-Pty=0', ...args], { env, encoding: 'utf8' })
  if (ended.status === 0) return undefined
  const said = `${ended.stderr ?? ''}`.trim().split('\n').slice(-3).join('; ')
  return `apt-get ${args[0]} failed: ${said || ended.error?.message || `code ${ended.status}`}`
}

function isThere({ tool }: ToolRow): boolean {
  return tool.startsWith('/') ? existsSync(tool) : findTool(tool) !== undefined
}

function listMissing(packageOf: (row: ToolRow) => string | undefined): string[] {
  const missing = toolRows.filter((row) => !isThere(row)).map(packageOf)
  return [...new Set(missing.filter((name) => name !== undefined))]
}

/** At first all at once; one by one when that fails: a package that this release lacks must not cost the others. */
function installAll(packages: readonly string[]): string | undefined {
  const install = (...names: string[]) => aptGet('install', '-y', '--no-install-recommends', ...names)
  const updateTrouble = aptGet('update')
  if (install(...packages) === undefined) return undefined
  return updateTrouble ?? packages.map((name) => install(name)).find((trouble) => trouble !== undefined)
}

function whyNotInstall(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root'
  return findTool('apt-get') === undefined ? 'no apt-get here' : undefined
}

/** Installs what is missing, when this process may. Says what it did; tests skip what is missing all the same. */
export function installMissingPackages(say: (line: string) => void): void {
  const missing = listMissing((row) => row.package)
  if (missing.length === 0) return
  const reason = whyNotInstall()
  say(reason === undefined ? `installing ${missing.join(' ')}` : `not installed (${reason}): ${missing.join(' ')}`)
  if (reason !== undefined) return
  const trouble = withoutServices(() => {
    const first = installAll(missing)
    const later = listMissing((row) => row.laterPackage)
    return later.length > 0 ? installAll(later) : first
  })
  if (trouble !== undefined) say(trouble)
  const still = listMissing((row) => row.package)
  if (still.length > 0) say(`still missing: ${still.join(' ')}`)
}

function describeVersion(row: ToolRow): string {
  if (row.tool.startsWith('/')) return `${basename(row.tool)}: ${isThere(row) ? 'there' : 'not installed'}`
  const path = findTool(row.tool)
  if (path === undefined) return `${row.tool}: not installed`
  const ended = spawnSync(path, row.version, { encoding: 'utf8' })
  const version = /\d+\.\d+[^\s,;]*/.exec(`${ended.stdout}\n${ended.stderr}`)?.[0] ?? 'unknown'
  return `${row.tool} ${version}`
}

export function describeVersions(): string {
  return toolRows.map(describeVersion).join(', ')
}
