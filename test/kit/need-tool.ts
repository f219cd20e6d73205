// How a test says that it could not run: one line with the reason, and skipped in the sum. With CI=true a skip fails the run.

import { describe } from 'bun:test'
import { findTool } from './tool.ts'

/** `describe`, or a `describe` that skips when a tool is missing (or `unless` gives a reason). */
export function describeWith(name: string, tools: readonly string[], unless?: string): typeof describe {
  const missing = tools.filter((tool) => findTool(tool) === undefined)
  const reason = missing.length > 0 ? `${missing.join(', ')} not installed` : unless
  if (reason === undefined) return describe
  console.log(`SKIPPED: ${name}: ${reason}`)
  return describe.skip as typeof describe
}

/** A reason not to run what only root may do; undefined for root. */
export function unlessRoot(): string | undefined {
  return process.getuid?.() === 0 ? undefined : 'needs root'
}
