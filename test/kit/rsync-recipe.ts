// The lines of the documentation by which a bare rsync keeps a copy, as an admin would put them into a script.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const page = join(import.meta.dir, '../../docs/run-a-host.md')

/** `url`: of the rsync module. A script for sh. */
export function rsyncRecipe(url: string, folder: string, host: string): string {
  const block = [...readFileSync(page, 'utf8').matchAll(/^```sh\n(.*?)^```$/gms)].find(([, text]) =>
    text!.includes('/metadata/timestamp.json /srv'),
  )
  if (!block) throw new Error(`${page} tells no more how a bare rsync copies`)
  return block[1]!
    .replaceAll('rsync://origin.example.org/flotilla', url)
    .replaceAll('/srv/flotilla', folder)
    .replaceAll('mirror.example.org', host)
}
