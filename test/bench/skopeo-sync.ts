// `skopeo sync` from Debian's docker-registry to a folder: how blobs are copied in bulk where there is no tree.

import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { startDockerRegistry } from '../kit/docker-registry.ts'
import { makeImage, makeLayer } from '../kit/images.ts'
import { pushImage } from '../kit/push-image.ts'
import { getTool } from '../kit/tool.ts'

const layersPerImage = 100

/** Seconds of each of `rounds` first copies of `count` layers of this size. */
export async function timeSkopeoSync(
  folder: string,
  { count, sizeBytes, rounds }: { readonly count: number; readonly sizeBytes: number; readonly rounds: number },
): Promise<number[]> {
  await using registry = await startDockerRegistry(join(folder, 'registry'))
  const target = { registry: `http://${registry.host}`, user: 'nobody', secret: '' }
  for (let n = 0; n < count / layersPerImage; n++) {
    const layers = Array.from({ length: layersPerImage }, () => makeLayer(sizeBytes))
    await pushImage(target, 'bench', `image-${n}`, makeImage(layers))
  }
  return Array.from({ length: rounds }, (_, round) => {
    const to = join(folder, `synced-${round}`)
    mkdirSync(to)
    const args = ['sync', '--src', 'docker', '--dest', 'dir', '--src-tls-verify=false', `${registry.host}/bench`, to]
    const startedMs = performance.now()
    const ended = spawnSync(getTool('skopeo'), args, { encoding: 'utf8', maxBuffer: 1 << 26 })
    if (ended.status !== 0) throw new Error(`skopeo sync ended with ${ended.status}: ${ended.stderr.slice(-2000)}`)
    return (performance.now() - startedMs) / 1000
  })
}
