// Tests wait for what they need, never for a time.

import { setTimeout as pause } from 'node:timers/promises'

export type WaitOptions = { readonly what: string; readonly limitMs?: number; readonly everyMs?: number }

/** Resolves to the first value of `probe` that is not undefined or false; an error of it counts as not yet. */
export async function waitUntil<T>(
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  options: WaitOptions,
): Promise<T> {
  const { what, limitMs = 60_000, everyMs = 20 } = options
  const endMs = performance.now() + limitMs
  let lastError: unknown
  for (;;) {
    try {
      const value = await probe()
      if (value !== undefined && value !== false) return value
    } catch (error) {
      lastError = error
    }
    if (performance.now() > endMs) {
      throw new Error(`waited ${limitMs / 1000} s in vain: ${what}`, { cause: lastError })
    }
    await pause(everyMs)
  }
}
