// The newest clients of Debian in a folder of their own: packages of its newest suite, fetched from wherever this machine fetches its
// packages, unpacked beside each other and run in that folder as their root. Nothing of the machine's own is changed.

import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mustRun, runProgram } from '../../kit/process.ts'

const suite = 'sid'
const packages = ['base-files', 'docker.io', 'docker-cli', 'containerd', 'podman', 'skopeo', 'crane', 'oras']
export const newestPrograms = ['docker', 'dockerd', 'containerd', 'ctr', 'podman', 'skopeo', 'crane', 'oras']

export class PackagesMissing extends Error {
  override readonly name = 'PackagesMissing'
}

async function runApt(args: readonly string[], what: string): Promise<void> {
  const ended = await runProgram('apt-get', args, { limitMs: 900_000, env: { DEBIAN_FRONTEND: 'noninteractive' } })
  if (ended.code === 0) return
  throw new PackagesMissing(`${what}: ${ended.stderr.trim().split('\n').slice(-3).join('; ')}`)
}

/** Where this machine's Debian comes from. */
async function findArchive(): Promise<string> {
  const listed = await mustRun('apt-get', ['indextargets', '--format', '$(SITE) $(ORIGIN) $(LABEL)'])
  const site = listed.split('\n').find((line) => line.endsWith(' Debian Debian'))
  if (site === undefined) throw new PackagesMissing('this machine has no Debian archive among its sources')
  return site.split(' ')[0]!
}

/** A state of apt's own, in which nothing is installed: so every library comes along. */
async function aptOptions(folder: string): Promise<readonly string[]> {
  const at = (name: string) => join(folder, name)
  for (const name of ['lists/partial', 'cache/archives/partial']) mkdirSync(at(name), { recursive: true })
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
  writeFileSync(at('sources.list'), `deb [signed-by=${keyring}] ${await findArchive()} ${suite} main\n`)
  writeFileSync(at('status'), '')
  const settings = {
    'Dir::Etc::sourcelist': at('sources.list'),
    'Dir::Etc::sourceparts': '-',
    'Dir::State::lists': at('lists'),
    'Dir::State::status': at('status'),
    'Dir::Cache': at('cache'),
    // The folder is ours alone, and its path may be closed to apt's own user.
    'APT::Sandbox::User': 'root',
  }
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])
}

async function unpack(folder: string, root: string): Promise<void> {
  const archives = join(folder, 'cache/archives')
  const files = readdirSync(archives).filter((name) => name.endsWith('.deb'))
  // base-files first: it says what /bin and /lib are.
  files.sort((a, b) => Number(b.startsWith('base-files_')) - Number(a.startsWith('base-files_')))
  for (const file of files) await mustRun('dpkg', ['-x', join(archives, file), root])
}

/** Runs a program in that root; temporary folders are the machine's, at the same paths. */
function writeWrapper(bin: string, program: string, root: string): void {
  const mounts = ['/proc', '/sys', '/dev', '/tmp'].map((path) => `mount --rbind ${path} ${root}${path}`).join(' && ')
  // Its root must be a mount: docker unpacks layers under a root of its own, which only a mount can give way to.
  const inside = `mount --bind ${root} ${root} && ${mounts} && exec chroot ${root} "$@"`
  const script = `#!/bin/sh\nexec unshare --mount --propagation private sh -c '${inside}' sh ${program} "$@"\n`
  writeFileSync(join(bin, program), script)
  chmodSync(join(bin, program), 0o755)
}

/** Resolves to a folder of programs; what was unpacked before is used again. Throws PackagesMissing with what apt said. */
export async function unpackNewest(folder: string, say: (line: string) => void): Promise<string> {
  const root = join(folder, 'root')
  const bin = join(folder, 'bin')
  const marker = join(folder, 'unpacked')
  if (process.getuid?.() !== 0) throw new PackagesMissing('only root can run programs in a root of their own')
  if (!existsSync(marker)) {
    rmSync(root, { recursive: true, force: true })
    mkdirSync(root, { recursive: true })
    const options = await aptOptions(folder)
    say(`fetching ${packages.join(' ')} of ${suite}`)
    await runApt([...options, 'update'], `the lists of ${suite} cannot be had`)
    const install = ['-qq', '-y', '--no-install-recommends', '--download-only', 'install', ...packages]
    await runApt([...options, ...install], `packages of ${suite} cannot be had`)
    await unpack(folder, root)
    writeFileSync(marker, '')
  }
  mkdirSync(bin, { recursive: true })
  for (const program of newestPrograms) writeWrapper(bin, program, root)
  return bin
}
