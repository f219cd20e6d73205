// crane and oras: programs without a store, that copy an image into an OCI layout.

import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { mustRun } from '../process.ts'
import { getTool } from '../tool.ts'
import { type ClientOptions, type PullClient, pullLimit } from './image-client.ts'

function makeLayoutTool(
  name: 'crane' | 'oras',
  agent: RegExp,
  options: ClientOptions,
  argsOf: (reference: string, layout: string) => readonly string[],
): PullClient {
  const { folder, trust } = options
  const layout = join(folder, 'layout')
  mkdirSync(folder, { recursive: true })
  const env = { HOME: folder, ...(trust !== undefined && { SSL_CERT_FILE: trust }) }
  const readBlob = (digest: string) => JSON.parse(readFileSync(join(layout, 'blobs', ...digest.split(':')), 'utf8'))
  return {
    name,
    agent,
    async pull(reference) {
      rmSync(layout, { recursive: true, force: true })
      await mustRun(getTool(name), argsOf(reference, layout), { env, ...pullLimit(options) })
      const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'))
      return String(readBlob(index.manifests[0].digest).config.digest)
    },
    [Symbol.asyncDispose]: async () => undefined,
  }
}

export function makeCrane(options: ClientOptions): PullClient {
  return makeLayoutTool('crane', /go-containerregistry/, options, (reference, layout) => [
    'pull',
    '--format=oci',
    reference,
    layout,
  ])
}

export function makeOras(options: ClientOptions): PullClient {
  return makeLayoutTool('oras', /^oras\//, options, (reference, layout) => [
    'copy',
    '--to-oci-layout',
    reference,
    `${layout}:image`,
  ])
}
