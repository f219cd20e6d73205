// `flotilla rsyncd-config`: a module for the real rsync daemon.

import { resolve } from 'node:path'
import { Command } from 'commander'
import { wholeNumber } from './whole-number.ts'

export type RsyncdFlags = {
  readonly module: string
  readonly folder: string
  readonly maxConnections: number
  readonly isRoot: boolean
}

const collect = (value: string, before: string[]) => [...before, value]

/** `make` renders the module; `treeFolder` is what it serves unless told otherwise. */
export function rsyncdCommand(
  make: (flags: RsyncdFlags & { readonly allow: readonly string[] }) => string,
  treeFolder: () => string,
): Command {
  return new Command('rsyncd-config')
    .description('print a module for rsyncd.conf that serves the published tree, or a copy of it')
    .option('--folder <folder>', 'what to serve; default: the published tree of this installation')
    .option('--module <name>', 'name of the module', 'flotilla')
    .option('--max-connections <n>', 'copies at once', wholeNumber, 20)
    .option('--allow <network>', 'who may copy; may be repeated; default: everybody', collect, [])
    .option('--no-root', 'the daemon does not run as root')
    .option('--json', 'print for programs')
    .action((_, command: Command) => {
      const { folder, module, maxConnections, allow, root, json } = command.optsWithGlobals()
      const text = make({
        folder: resolve(folder ?? treeFolder()),
        module,
        maxConnections,
        allow,
        isRoot: root,
      })
      process.stdout.write(json ? `${JSON.stringify({ module, config: text })}\n` : text)
    })
}
