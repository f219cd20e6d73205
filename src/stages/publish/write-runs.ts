import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { hashFile } from '#kit/hash-file.ts'
import { hexOf } from '#oci/digest.ts'
import { inOrder, type TreeFile } from '#snapshots/tree-contents.ts'
import type { Span } from '#snapshots/tree-path.ts'
import { groupRuns, needsCheckpoint, worthwhileRuns } from './runs.ts'

export type RunWriter = {
  /** What changed in this generation. */
  change(): Promise<TreeFile>
  /** Throws RunDamaged when the files of the group cannot be used. */
  merge(group: readonly TreeFile[], span: Span): Promise<TreeFile>
  checkpoint(): Promise<TreeFile>
}

/** A run in the tree is not what was signed: it is dropped with those before it, and a checkpoint takes their place. */
export class RunDamaged extends Error {
  override readonly name = 'RunDamaged'
}

/** `before`: undefined where nothing leads from the generation before to this one. */
export async function writeRuns(before: readonly TreeFile[] | undefined, writer: RunWriter): Promise<TreeFile[]> {
  if (!before || before.length === 0) return [await writer.checkpoint()]
  const change = await writer.change()
  const runs: TreeFile[] = []
  let checkpoint = before.findLast((file) => file.from === 0)
  for (const group of groupRuns([...inOrder(before).filter((file) => file.from > 0), change])) {
    try {
      runs.push(await joined(group, writer))
    } catch (error) {
      if (!(error instanceof RunDamaged)) throw error
      runs.length = 0
      checkpoint = undefined
    }
  }
  if (!checkpoint || needsCheckpoint(checkpoint, runs)) checkpoint = await writer.checkpoint()
  return inOrder([checkpoint, ...worthwhileRuns(checkpoint, runs)])
}

async function joined(group: readonly TreeFile[], writer: RunWriter): Promise<TreeFile> {
  const [first] = group
  if (group.length === 1) return first!
  return await writer.merge(group, { from: first!.from, to: group.at(-1)!.to })
}

/** Throws RunDamaged: what is signed again must be what was signed before. */
export async function requireIntact(root: string, { path, digest, sizeBytes }: TreeFile): Promise<void> {
  const found = await describeFile(join(root, path)).catch((error) => {
    throw new RunDamaged(`${path} cannot be read`, { cause: error })
  })
  if (found.sizeBytes !== sizeBytes || found.hex !== hexOf(digest))
    throw new RunDamaged(`${path} is not what was signed`)
}

async function describeFile(path: string): Promise<{ readonly sizeBytes: number; readonly hex: string }> {
  const { size } = await stat(path)
  return { sizeBytes: size, hex: await hashFile(path, 'sha256') }
}
