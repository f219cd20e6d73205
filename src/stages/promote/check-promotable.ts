// Why something cannot be promoted, all reasons at once, in words that say what to do.

import type { BlobStore } from '#blobs/blob-store.ts'
import { findRepositoryBlobs } from '#catalogue/blobs.ts'
import type { Reader } from '#catalogue/schema.ts'
import { eachBounded } from '#kit/each-bounded.ts'
import type { Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/name.ts'
import type { Closure } from './collect-closure.ts'

const statsAtOnce = 32

export async function reasonsAgainst(
  db: Reader,
  blobs: BlobStore,
  source: { readonly repositoryId: number; readonly name: RepositoryName },
  closure: Closure,
  allowsForeignLayers: boolean,
): Promise<string[]> {
  const reasons: string[] = []
  const needed = new Map<Digest, { sizeBytes: number; isForeign: boolean; manifest: Digest }>()
  for (const part of closure.references) {
    if (part.role === 'child') {
      if (!closure.manifests.has(part.digest))
        reasons.push(`${source.name}: manifest ${part.digest}, a part of ${part.manifest}, is missing`)
    } else if (needed.get(part.digest)?.isForeign !== false) needed.set(part.digest, part)
    if (part.isForeign && !allowsForeignLayers) {
      reasons.push(
        `${source.name}: layer ${part.digest} of ${part.manifest} lives elsewhere (urls, or a non-distributable type), which this channel does not allow`,
      )
    }
  }
  const held = await findRepositoryBlobs(db, source.repositoryId, [...needed.keys()])
  const present: [Digest, number][] = [...closure.manifests.values()].map((row) => [row.digest, row.sizeBytes])
  for (const [digest, { isForeign, manifest }] of needed) {
    const sizeBytes = held.get(digest)
    if (sizeBytes !== undefined) present.push([digest, sizeBytes])
    else if (!isForeign) reasons.push(`${source.name}: blob ${digest} of ${manifest} is missing; push it again`)
  }
  await eachBounded(present, statsAtOnce, async ([digest, sizeBytes]) => {
    const stat = await blobs.stat(digest)
    if (stat?.sizeBytes !== sizeBytes)
      reasons.push(`${source.name}: the bytes of ${digest} are ${stat ? 'damaged' : 'gone'}; push it again`)
    return undefined
  })
  return [...new Set(reasons)]
}
