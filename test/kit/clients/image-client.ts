// What a test asks of a real image client, whichever it is.

import type { Image } from '../images.ts'

export type Login = { readonly user: string; readonly password: string }

export type ImageClient = AsyncDisposable & {
  readonly name: string
  /** How it names itself in the access logs of whoever serves it. */
  readonly agent: RegExp
  /** One image as itself, several as an index, to `host:port/repository:tag`. */
  push(images: readonly Image[], target: string, login: Login): Promise<void>
  /** Forgets every image, pulls anew, and resolves to the digest by which it knows what it then has: of the config, or
   *  of the manifest (docker on containerd's store). */
  pull(reference: string): Promise<string>
}

/** What only pulls. */
export type PullClient = Omit<ImageClient, 'push'>

export type ClientOptions = {
  /** Of this client alone: home, configuration and storage. */
  readonly folder: string
  /** `host:port` of registries that speak plain http. */
  readonly plainHttp: readonly string[]
  /** The only authority it trusts (PEM file). */
  readonly trust?: string | undefined
  /** A pull that takes longer is killed. */
  readonly pullLimitMs?: number | undefined
}

/** For the program that pulls. */
export function pullLimit({ pullLimitMs }: ClientOptions): { readonly limitMs?: number } {
  return pullLimitMs === undefined ? {} : { limitMs: pullLimitMs }
}

export function hostOf(reference: string): string {
  return reference.slice(0, reference.indexOf('/'))
}
