// A published tree on disk and copies of it on real web servers, for the mirror stage's tests.

import { copyFileSync, mkdirSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DiskBlobStore } from '#blobs/disk/disk-blob-store.ts'
import { digestOf } from '#blobs/hashing.ts'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { blobPath, type Digest } from '#oci/digest.ts'
import type { FleetRecords } from '#stages/mirror/fleet-watch.ts'
import type {
  CrawlRecord,
  HostRecord,
  HostRecords,
  Presence,
  TreeBlob,
  TreeRecords,
} from '#stages/mirror/host-records.ts'
import { hostFacts } from '../kit/host-facts.ts'
import { seeded } from '../kit/seeded.ts'
import { startNginx, type WebHost, type WebHostOptions } from '../kit/web-hosts.ts'

export function hostRecord(url: string, id = 1): HostRecord {
  return {
    id,
    site: { id: 1, name: 'site', organisationUrl: undefined, isPrivate: false, contact: undefined },
    ...hostFacts(`host${id}`, { categories: [{ category: 'stable', urls: [url] }] }),
  }
}

/** Rows in memory: the catalogue's own are tested beside it. */
export class MemoryRecords implements HostRecords, FleetRecords {
  readonly hosts: HostRecord[] = []
  readonly presence = new Map<number, Presence>()
  readonly crawls = new Map<number, CrawlRecord>()
  /** Every state that was kept, in order. */
  readonly saved: Presence[] = []

  listHosts = async () => this.hosts
  findPresence = async (hostId: number) => this.presence.get(hostId)
  listPresence = async () => this.presence
  savePresence = async (hostId: number, _: string, presence: Presence) => {
    this.presence.set(hostId, presence)
    this.saved.push(presence)
  }
  saveCrawl = async (crawl: CrawlRecord) => void this.crawls.set(crawl.hostId, crawl)
  findLastCrawl = async (hostId: number) => this.crawls.get(hostId)
  listLastCrawls = async () => this.crawls
}

export class Fleet implements AsyncDisposable {
  readonly blobs: TreeBlob[] = []
  readonly tree: TreeRecords
  readonly folder: string
  readonly origin: DiskBlobStore
  readonly #opened: AsyncDisposable[] = []
  #nextAddress = 20

  static async open(): Promise<Fleet> {
    const folder = await mkdtemp(join(tmpdir(), 'fleet-'))
    // The web servers' own users read it.
    await chmod(folder, 0o755)
    return new Fleet(folder, await DiskBlobStore.open(join(folder, 'origin')))
  }

  private constructor(folder: string, origin: DiskBlobStore) {
    const { blobs } = this
    this.folder = folder
    this.origin = origin
    this.tree = {
      async *listBlobs(_, after, upTo) {
        yield* blobs.filter(({ generation }) => generation > after && generation <= upTo)
      },
      findBlob: async (_, digest) => blobs.find((blob) => blob.digest === digest),
      pickBlob: async (_, upTo, random) => {
        const there = blobs.filter(({ generation }) => generation <= upTo)
        return there[Math.floor(random * there.length)]
      },
    }
  }

  async publish(generation: number, count: number): Promise<void> {
    const random = seeded(generation)
    for (let i = 0; i < count; i++) {
      const bytes = new Uint8Array(70_000 + i).map(() => random() * 256)
      const digest = digestOf(bytes)
      await this.origin.put(digest, bytes)
      this.blobs.push({ digest, sizeBytes: bytes.length, generation })
    }
  }

  fileOf(root: string, blob: TreeBlob): string {
    return join(root, blobPath(blob.digest as Digest))
  }

  copyTo(root: string, blobs: readonly TreeBlob[]): void {
    for (const blob of blobs) {
      const to = this.fileOf(root, blob)
      mkdirSync(dirname(to), { recursive: true })
      copyFileSync(this.fileOf(join(this.folder, 'origin'), blob), to)
    }
  }

  /** A web server that holds a copy of everything, on an address of its own. */
  async addHost(
    name: string,
    about: Partial<WebHostOptions> = {},
    start: (options: WebHostOptions) => Promise<WebHost> = startNginx,
  ): Promise<WebHost> {
    const folder = join(this.folder, name)
    mkdirSync(folder, { mode: 0o755 })
    const host = this.keep(await start({ folder, address: `127.0.0.${this.#nextAddress++}`, ...about }))
    this.copyTo(host.tree, this.blobs)
    return host
  }

  client(ca?: string): OutboundClient {
    return this.keep(new OutboundClient({ allowPrivate: true, userAgent: 'docker/28.5.2', ca }))
  }

  keep<T extends AsyncDisposable>(one: T): T {
    this.#opened.push(one)
    return one
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#opened.reverse()) await one[Symbol.asyncDispose]()
    await this.origin[Symbol.asyncDispose]()
    await rm(this.folder, { recursive: true })
  }
}
